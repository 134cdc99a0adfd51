"""Write the outputs that pages show: python -m scripts.documentation.

Every command of a page is run in full, in the page's order, in a new folder. Commands that need a cluster, a GPU or an
installation keep the output that the page has.
"""

import argparse
import contextlib
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.documentation.folder import ROOT, Folder
from scripts.documentation.markdown import Command, Step, with_outputs
from scripts.documentation.places import Place, place_of

PAGES = ("README.md", "docs/commands.md")
"""Pages whose outputs are written."""

_MISTAKE = 2
"""The exit code of a mistake, which a page may show."""


def outputs(name: str, text: str) -> str:
    """A page with the outputs of its commands written again."""
    with _home() as path:
        folder = Folder(path)

        def take(step: Step) -> str:
            if isinstance(step, Command):
                if place_of(step) is not Place.HERE:
                    return step.output or ""
                print(f"{name}: {step.text.splitlines()[0]}", file=sys.stderr, flush=True)
            done = folder.take(step)
            if done.code not in (0, _MISTAKE):
                raise SystemExit(f"{name}: exit code {done.code}\n{done.errors}")
            return done.output

        return with_outputs(text, take)


@contextlib.contextmanager
def _home() -> Iterator[Path]:
    """A folder whose path is as long as `/home/you`, so that lines break in outputs where they do there."""
    path = Path("/tmp") / secrets.token_hex(2)
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path)


def main() -> None:
    """Write each page."""
    parser = argparse.ArgumentParser(description="Write what the documentation's pages show of commands.")
    parser.add_argument("page", nargs="*", default=PAGES, help=f"pages, unless given: {', '.join(PAGES)}")
    arguments = parser.parse_args()
    for name in arguments.page:
        file = ROOT / name
        file.write_text(outputs(name, file.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
