"""The documentation's commands: found in its pages, and run. `python -m scripts.documentation` writes their outputs again.

Every command of a page is run in full, in the page's order, in a new folder. Commands that need a cluster, a GPU or an
installation keep the output that the page has. The notebook is run in a new kernel.
"""

import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import nbformat

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs/analysis.ipynb"
PAGES = ("README.md", "docs/commands.md")
"""Pages whose outputs are written."""

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMPT = "$ "
_QUESTION, _ANSWER = "[y/N]: ", "y"


@dataclass(frozen=True)
class Command:
    """One command of a page."""

    text: str
    output: str | None = None


@dataclass(frozen=True)
class SourceFile:
    """A Python block whose first line is a comment with a file's name: later commands use that file."""

    name: str
    text: str


Step: TypeAlias = Command | SourceFile


def steps(page: str) -> Iterator[Step]:
    """What a reader does, in the order of a page."""
    for language, content in FENCE.findall(page):
        if language == "console":
            yield from _commands(content, _PROMPT)
        elif language == "sh":
            yield from _commands(content, "")
        elif language == "python" and (found := re.match(r"# (\w+\.py)\n", content)):
            yield SourceFile(found[1], content)


def _commands(content: str, prompt: str) -> Iterator[Command]:
    """Commands, each after the prompt and of a line or more, with what follows as their output."""
    text, output = "", ""
    for line in [*content.splitlines(keepends=True), prompt]:
        if text and _open(text):
            text += line
        elif line.startswith(prompt):
            if text.strip() and not text.startswith("#"):
                yield Command(text.strip(), output if prompt else None)
            text, output = line.removeprefix(prompt), ""
        else:
            output += line


def _open(text: str) -> bool:
    """Whether a shell would wait for more lines."""
    if text.endswith("\\\n"):
        return True
    # What stands between `<<END` and a line `END` is a file's text, no shell's.
    if (end := re.search(r"<<(\w+)$", text.partition("\n")[0])) is not None:
        return f"\n{end[1]}\n" not in text
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return True
    return False


class Place(Enum):
    """What a command needs in addition to tunepipe."""

    HERE = "nothing"
    CLUSTER = "a Ray cluster or an object store"
    KUBERNETES = "Kubernetes"
    ELSEWHERE = "a GPU, an installation, or a study that runs meanwhile"


_SIGNS = {
    Place.KUBERNETES: (
        r"--kubernetes|\b(kubectl|helm|podman)\b|^(mkdir -p|cat >) lab|127\.0\.0\.1:8265|\bmake (--silent )?image|^kind "
    ),
    Place.CLUSTER: r"\bHOST\b|s3://|^tunepipe (status|stop [\w-]+$|logs \S+ --follow)|^tunepipe submit|^export RAY_",
    Place.ELSEWHERE: (
        r"resources\.gpus|--gpus-per-trial|^(git|make|pip|uvx|ray|\.) |\btunepipe (serve|budget|stop \S+ --trial)\b"
    ),
}


def place_of(command: Command) -> Place:
    """Where a command can be run."""
    return next((place for place, sign in _SIGNS.items() if re.search(sign, command.text)), Place.HERE)


class Done(NamedTuple):
    """A command that has ended."""

    code: int
    output: str
    errors: str


class Folder:
    """Runs steps one after another, in one folder, which outputs call /home/you."""

    def __init__(self, home: Path, environment: Mapping[str, str] | None = None, path: str = "") -> None:
        self.path = home
        binaries = home / ".bin"
        binaries.mkdir()
        for name, words in {"tunepipe": [sys.executable, "-m", "pipeline.cli.app"], "python": [sys.executable]}.items():
            (program := binaries / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
            program.chmod(0o755)
        search = ":".join(filter(None, (str(binaries), path, os.environ["PATH"])))
        self._environment = {
            **os.environ, "PATH": search, "PYTHONPATH": str(ROOT), "HOME": str(home), "TERM": "dumb", "NO_COLOR": "1",
            "TTY_COMPATIBLE": "1", "COLUMNS": "136", "LINES": "50", "TF_CPP_MIN_LOG_LEVEL": "2", **(environment or {}),
        }  # fmt: skip

    def take(self, step: Step) -> Done:
        """Take a step: run a command, or write a file."""
        if isinstance(step, SourceFile):
            (self.path / step.name).write_text(step.text, encoding="utf-8")
            return Done(0, "", "")
        if step.text.startswith("export "):
            self._environment |= dict(word.split("=", 1) for word in shlex.split(step.text)[1:])
            return Done(0, "", "")
        done = subprocess.run(
            ["bash", "-c", step.text], cwd=self.path, env=self._environment, input=f"{_ANSWER}\n".encode(),
            capture_output=True, check=False,
        )  # fmt: skip
        errors = self._shown(done.stderr)
        return Done(done.returncode, self._shown(done.stdout) or errors, errors)

    def _shown(self, output: bytes) -> str:
        text = output.decode(errors="replace").replace(str(self.path), "/home/you")
        text = text.replace(_QUESTION, f"{_QUESTION}{_ANSWER}\n")
        return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def executed(folder: Path) -> "nbformat.NotebookNode":
    """The notebook with new outputs, without times and names of this machine."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    # Its own metadata, without the versions that a kernel adds.
    metadata, where = dict(notebook.metadata), {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, kernel_name="python3", record_timing=False, resources=where).execute()
    notebook.metadata = nbformat.from_dict(metadata)
    for cell in notebook.cells:
        # What goes to stderr is about this machine and this run.
        cell.outputs = [each for each in cell.get("outputs", []) if each.get("name") != "stderr"]
        if cell.cell_type != "code":
            del cell["outputs"]
    return notebook


def outputs(text: str, home: Path) -> str:
    """A page with the outputs of its commands written again."""
    folder = Folder(home)

    def take(step: Step) -> str:
        if isinstance(step, Command):
            if place_of(step) is not Place.HERE:
                return step.output or ""
            print(step.text.splitlines()[0], file=sys.stderr, flush=True)
        done = folder.take(step)
        # A page may show a mistake.
        if done.code not in (0, 2):
            raise SystemExit(f"exit code {done.code}\n{done.errors}")
        return done.output

    def block(found: re.Match[str]) -> str:
        taken = [(step, take(step)) for step in steps(found[0])]
        if found[1] != "console":
            return found[0]
        shown = "".join(f"{_PROMPT}{step.text}\n{output}" for step, output in taken if isinstance(step, Command))
        return f"```console\n{shown}```"

    return FENCE.sub(block, text)


if __name__ == "__main__":
    import nbformat

    for file in (ROOT / name for name in PAGES):
        # Its path is as long as `/home/you`, so that lines break in outputs where they do there.
        (home := Path("/tmp") / secrets.token_hex(2)).mkdir()
        try:
            file.write_text(outputs(file.read_text(encoding="utf-8"), home), encoding="utf-8")
        finally:
            shutil.rmtree(home)
    with tempfile.TemporaryDirectory() as folder:
        nbformat.write(executed(Path(folder)), NOTEBOOK)
