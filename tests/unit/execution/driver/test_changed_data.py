"""Data files next to a job that differ from their copies in its study."""

import sys
from pathlib import Path

import pytest

from pipeline.errors import StorageError
from pipeline.execution.driver.changed_data import noting_changed_data
from pipeline.storage import Store
from pipeline.study.files import save_study
from pipeline.study.load_module import load_module
from pipeline.study.sources import sources_of

CODE = """
from pathlib import Path
from pipeline import Budget, Objective, TuneJob

LOG, WORDS = Path(__file__).with_name("log.csv"), Path(__file__).with_name("words.txt")

def train(config):
    yield {"x": 1.0}

JOB = TuneJob(
    name="s", function=train, space={"a": 1}, objectives=[Objective("x", "max")], budget=Budget(trials=1, epochs=1)
)
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A study of a job that names two files next to it."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name, text in {"logging_job.py": CODE, "log.csv": "a\n", "words.txt": "one\n"}.items():
        (tmp_path / name).write_text(text)
    study, job = Store(tmp_path / "s"), load_module(tmp_path / "logging_job.py").JOB
    save_study(study, job, sources=sources_of(job))
    return study


def test_a_file_that_changes_while_the_study_runs_is_named_once(store: Store, tmp_path: Path) -> None:
    """The file that has changed is named at the end of its session, and at the beginning of the next one."""
    notes: list[str] = []
    with noting_changed_data(store, notes.append):
        assert notes == []
        (tmp_path / "log.csv").write_text("a\nb\n")
    (text,) = notes
    assert text.startswith(f"{tmp_path}/log.csv differs from the copy with which the study began.")
    assert "pipeline.trial().folder" in text
    with noting_changed_data(store, notes.append):
        assert notes == [text, text]
        (tmp_path / "words.txt").write_text("two\n")
    assert notes[2].startswith(f"{tmp_path}/words.txt differs from the copy")


def test_a_study_that_cannot_be_read_at_its_end_keeps_its_error(store: Store, tmp_path: Path) -> None:
    """Where the study's folder is gone at the end, the error that ended the study is raised."""

    def ends() -> None:
        with noting_changed_data(store, lambda _: None):
            (tmp_path / "s/study.json").unlink()
            raise StorageError("mine")

    with pytest.raises(StorageError, match="mine"):
        ends()
