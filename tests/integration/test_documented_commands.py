"""The commands that README and docs show are run as printed, on a small budget, and print what their page shows."""

import re
import shlex
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.cli.job_options import assignments
from scripts.documentation import ROOT, Command, Done, Folder, Place, SourceFile, place_of, steps
from tests.documented import shape, unreadable
from tune_jobs import find

_PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))]

_SMALL = {
    "mnist-asha": """--trials 12 --epochs 2 --set 'space.batch_size={"kind": "choice", "values": [1000, 2000]}'""",
    "my_study.py": "--trials 2 --epochs 2 --workers 0",
    "my_job.py": "--trials 2 --epochs 2 --workers 0",
}
"""What is added to commands that train, by their job or study; others are small as they are."""

_OFTEN = "README.md"
"""The page whose commands `make test` runs; `make test-all` runs those of all pages."""

_EXAMPLES = r"tunepipe run my_job\.py --name"
"""Commands that only show options, and on which no later command depends; `make test-all` runs them."""

_OTHER_JOB = r"tunepipe check my_job\.py"
"""Commands of docs/jobs.md that README.md has for another job; `make test` reads them, `make test-all` runs them."""

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
                if place_of(planned) is not Place.HERE or (number < index and _is_left_out(planned)):
                    continue
                step = planned if _shows_a_mistake(planned) else replace(planned, text=_small(planned.text))
            done = self._folder.take(step)
        self._taken = max(self._taken, index + 1)
        return done


def _shows_a_mistake(command: Command) -> bool:
    return (command.output or "").startswith("tunepipe: ")


def _is_example(command: Command) -> bool:
    return re.match(_EXAMPLES, command.text) is not None


def _is_left_out(command: Command) -> bool:
    return _is_example(command) or re.match(_OTHER_JOB, command.text) is not None


def _small(text: str) -> str:
    found = re.match(r"tunepipe (?:run|resume) (\S+)", text)
    return f"{_bare(text)} {_SMALL.get(found[1], '')}" if found else text


def _bare(text: str) -> str:
    """The command without the comment after it."""
    return text.partition("  #")[0]


def _commands(*, here: bool) -> Iterator[object]:
    """The documented commands as parameters: those that this machine can run, or the others."""
    for page in _PAGES:
        for index, step in enumerate(steps((ROOT / page).read_text(encoding="utf-8"))):
            if isinstance(step, Command) and (place_of(step) is Place.HERE) == here:
                marks = [pytest.mark.long] if here and (page != _OFTEN or _is_left_out(step)) else []
                yield pytest.param(
                    page, index, step, id=f"{Path(page).name}: {step.text.splitlines()[0][:70]}", marks=marks
                )


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Every page, with its own folder."""
    return {page: Page(page, tmp_path_factory.mktemp("page")) for page in _PAGES}


@pytest.mark.parametrize(("page", "index", "command"), list(_commands(here=True)))
def test_a_command_prints_what_its_page_shows(page, index, command, pages):
    """Commands in a page's order print the same words, headings and columns; only numbers may differ."""
    done = pages[page].take(index)
    assert done.code == (_MISTAKE if _shows_a_mistake(command) else 0), done.errors
    if command.output is not None:
        assert shape(done.output) == shape(command.output), done.output


def _examples() -> Iterator[object]:
    """The commands of docs/jobs.md that only show options, as parameters."""
    for step in steps((ROOT / "docs/jobs.md").read_text(encoding="utf-8")):
        if isinstance(step, Command) and _is_example(step):
            yield pytest.param(step, id=_bare(step.text).strip()[:70])


@pytest.mark.parametrize("command", list(_examples()))
def test_the_fields_of_an_example_change_the_job_of_the_page(command, tmp_path):
    """The fields that a documented command sets exist in the job of its page and change it to allowed values."""
    for step in steps((ROOT / "docs/jobs.md").read_text(encoding="utf-8")):
        if isinstance(step, SourceFile) and step.name == "my_job.py":
            (tmp_path / step.name).write_text(step.text)
    words = shlex.split(_bare(command.text))
    fields = [value for option, value in pairwise(words) if option == "--set"]
    job = find(str(tmp_path / "my_job.py"))
    assert fields
    assert job.replaced(assignments(fields)) != job


def _of_another_job() -> Iterator[object]:
    """The commands of docs/jobs.md that `make test` does not run, as parameters."""
    for step in steps((ROOT / "docs/jobs.md").read_text(encoding="utf-8")):
        if isinstance(step, Command) and re.match(_OTHER_JOB, step.text):
            yield pytest.param(step, id=_bare(step.text).strip()[:70])


@pytest.mark.parametrize("command", list(_of_another_job()))
def test_a_command_like_one_of_another_page_can_be_read(command):
    """A documented command that differs from one of README.md by its job has valid options and values."""
    assert unreadable(_bare(command.text)) is None


@pytest.mark.parametrize(("page", "index", "command"), list(_commands(here=False)))
def test_a_command_that_needs_more_than_this_machine_can_be_read(page, index, command, pages):
    """A documented command that this machine cannot run has valid options, values and Makefile targets."""
    needs = place_of(command)
    first = command.text.splitlines()[0]
    warnings.warn(f"{page}: only read here, since it needs {needs.value}: {first}", OnlyRead, stacklevel=1)
    words = _bare(command.text)
    if words.startswith("tunepipe "):
        assert unreadable(words) is None
    for target in re.findall(r"\bmake (?:PYTHON=\S+ )?([a-z-]+)", words):
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)
