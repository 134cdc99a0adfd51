"""Modules that a trial's code has imported."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.execution.worker.imported_sources import ImportedSources
from pipeline.storage import Store
from pipeline.study import TuneJob, save_study
from tune_jobs import find

JOB = """
from pipeline import Objective, TuneJob, Uniform

def f(config):
    yield {"score": 1.0}

JOB = TuneJob(name="s", function=f, space={"x": Uniform(0, 1)}, objectives=[Objective("score", "max")])
"""


@pytest.fixture(autouse=True)
def _own_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("late_one", "late_two"):
        # Another test's module of this name would be what the import finds.
        monkeypatch.delitem(sys.modules, name, raising=False)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def job(tmp_path: Path) -> TuneJob:
    """A job in a file, with modules that its code may import."""
    (tmp_path / "lazy_job.py").write_text(JOB)
    for name in ("late_one", "late_two"):
        (tmp_path / f"{name}.py").write_text(f"# {name}")
    return find(str(tmp_path / "lazy_job.py"))


def test_modules_that_a_trial_imports_beside_the_job_are_reported_once(job: TuneJob, tmp_path: Path) -> None:
    """Modules that trial code imports are reported once, at the next trial, with their path and their text."""
    store = Store(tmp_path / "study")
    save_study(store, job)
    sources = ImportedSources(job, store)
    assert sources.of("0000") == {}
    importlib.import_module("late_one")
    assert sources.of("0000") == {}
    assert sources.of("0001") == {"late_one": ("late_one.py", "# late_one")}
    importlib.import_module("late_two")
    assert sources.of("0002") == {"late_two": ("late_two.py", "# late_two")}
    assert sources.of("0003") == {}


def test_a_study_that_is_not_written_yet_has_no_copies(job: TuneJob, tmp_path: Path) -> None:
    """A study that is not written yet has no copies of sources."""
    assert ImportedSources(job, Store(tmp_path / "study")).of("0000") == {}
