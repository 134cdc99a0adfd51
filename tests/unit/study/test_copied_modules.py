"""The modules that a study has copied, and those that its code has imported since."""

import sys
from pathlib import Path

import pytest

from pipeline.study.copied_modules import imported_since, originals_of
from pipeline.study.load_module import load_module
from pipeline.study.recorded_copies import RecordedCopies
from pipeline.study.sources import sources_of

pytestmark = pytest.mark.usefixtures("own_modules")

JOB = """
import importlib
from pipeline.study import Objective, TuneJob

def steps(config):
    importlib.import_module("late_" + "one")
    yield {"v": 1.0}

JOB = TuneJob(name="a", function=steps, space={}, objectives=Objective("v", "max"))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job's folder with a module that imports another one."""
    for name, text in {"late_job": JOB, "late_one": "import late_two", "late_two": "x = 1", "late_three": ""}.items():
        # Another test's module of this name would be what the import finds.
        monkeypatch.delitem(sys.modules, name, raising=False)
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def _recorded(folder: Path, *modules: str) -> RecordedCopies:
    recorded = RecordedCopies()
    recorded.folders = (str(folder),)
    recorded.modules = {name: (f"{name}.py", "") for name in modules}
    return recorded


def test_imports_at_run_time_are_found_afterwards(folder: Path) -> None:
    """A module whose name is known only at run time is found after the function ran, with path and text."""
    job = load_module(folder / "late_job.py").JOB
    recorded, before = _recorded(*sources_of(job).folders, "late_job"), frozenset(sys.modules)
    assert imported_since(before, recorded) == {}
    next(job.function({}))
    assert imported_since(before, recorded) == {
        name: (f"{name}.py", (folder / f"{name}.py").read_text()) for name in ("late_one", "late_two")
    }


def test_present_files_of_copied_modules_are_found(folder: Path) -> None:
    """The present file of each copied module is found in the job's folders, and one that is gone is left out."""
    recorded = _recorded(folder, "late_two", "late_gone")
    found = originals_of(recorded, [folder / "elsewhere", folder])
    assert [(file.module, file.path, file.content, file.file) for file in found] == [
        ("late_two", "late_two.py", b"x = 1", folder / "late_two.py")
    ]
