"""The commands that README and docs show are run as printed, on a small budget, and print what their page shows."""

import re
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.documentation import ROOT, Command, Done, Folder, Place, place_of, steps
from tests.documented import shape, unreadable

_PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))]

_SMALL = {
    "mnist-asha": "--trials 12 --epochs 2 --workers 0"
    """ --set 'space.batch_size={"kind": "choice", "values": [1000, 2000]}'""",
    "my_study.py": "--trials 2 --epochs 2 --workers 0",
    "my_job.py": "--trials 2 --epochs 2 --workers 0",
}
"""What is added to commands that train, by their job or study; others are small as they are."""

_OFTEN = "README.md"
"""The page whose commands `make test` runs; `make test-all` runs those of all pages."""

_EXAMPLES = r"tunepipe (run my_job\.py --name|check my_job\.py)"
"""Commands on which no later command depends; `make test-all` runs them."""

_MISTAKE = 2


class OnlyRead(UserWarning):
    """A command that a page shows was not run."""


class Page:
    """The steps of a page, taken in order as far as a test needs them."""

    def __init__(self, name: str, folder: Path) -> None:
        self._steps = list(steps((ROOT / name).read_text(encoding="utf-8")))
        self._folder = Folder(folder)
        self._taken = 0
        self.path = folder

    def take(self, index: int) -> Done:
        """The step of this index, and before it all that were not taken yet and on which it may depend."""
        done = Done(0, "", "")
        for number, planned in enumerate(self._steps[self._taken : index + 1], self._taken):
            step = planned
            if isinstance(planned, Command):
                if place_of(planned) is not Place.HERE or (number < index and re.match(_EXAMPLES, planned.text)):
                    continue
                step = planned if _shows_a_mistake(planned) else replace(planned, text=_small(planned.text))
            done = self._folder.take(step)
        self._taken = max(self._taken, index + 1)
        return done


def _shows_a_mistake(command: Command) -> bool:
    return (command.output or "").startswith("tunepipe: ")


def _small(text: str) -> str:
    found = re.match(r"tunepipe (?:run|resume) (\S+)", text)
    return f"{_bare(text)} {_SMALL.get(found[1], '')}" if found else text


def _bare(text: str) -> str:
    """The command without the comment after it."""
    return text.partition("  #")[0]


def _commands() -> Iterator[object]:
    """The documented commands that this machine can run, as parameters."""
    for page in _PAGES:
        for index, step in enumerate(steps((ROOT / page).read_text(encoding="utf-8"))):
            if isinstance(step, Command) and place_of(step) is Place.HERE:
                marks = [pytest.mark.long] if page != _OFTEN else []
                yield pytest.param(
                    page, index, step, id=f"{Path(page).name}: {step.text.splitlines()[0][:70]}", marks=marks
                )


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Every page, with its own folder."""
    return {page: Page(page, tmp_path_factory.mktemp("page")) for page in _PAGES}


@pytest.mark.parametrize(("page", "index", "command"), list(_commands()))
def test_a_command_prints_what_its_page_shows(page, index, command, pages):
    done = pages[page].take(index)
    assert done.code == (_MISTAKE if _shows_a_mistake(command) else 0), done.errors
    if command.output is not None:
        assert shape(done.output) == shape(command.output), done.output


@pytest.mark.parametrize("page", _PAGES)
def test_every_documented_command_has_valid_options_values_and_targets(page):
    targets = set()
    for command in steps((ROOT / page).read_text(encoding="utf-8")):
        if not isinstance(command, Command):
            continue
        if (needs := place_of(command)) is not Place.HERE:
            first = command.text.splitlines()[0]
            warnings.warn(f"{page}: only read here, since it needs {needs.value}: {first}", OnlyRead, stacklevel=1)
        words = _bare(command.text)
        if words.startswith("tunepipe ") and not _shows_a_mistake(command):
            assert unreadable(words) is None
        targets |= set(re.findall(r"\bmake (?:PYTHON=\S+ )?([a-z-]+)", words))
    if targets:
        subprocess.run(["make", "--dry-run", *targets], cwd=ROOT, check=True, capture_output=True)
