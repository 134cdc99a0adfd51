"""Deleting a study: all of it, nothing else, and not under its driver's hands."""

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from pipeline.errors import JobNotFound, StorageError, StudyExists
from pipeline.execution.deleting import deletable, delete
from pipeline.storage import Store
from pipeline.study import layout
from tests.unit.results.studies import Recording, asha_study


@pytest.fixture
def study(tmp_path: Path) -> Recording:
    """A finished study, with a report and a link that leads out of it."""
    study = asha_study(tmp_path / "studies", trials=3)
    study.store.write(layout.REPORT, "<p>")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept.txt").write_text("kept")
    (tmp_path / "studies" / study.job.name / "checkpoints" / "link").symlink_to(tmp_path / "elsewhere")
    return study


def _note(_: str) -> None:
    raise AssertionError("there is nothing to wait for")


def test_all_of_the_study_goes_and_nothing_else(study: Recording, tmp_path: Path) -> None:
    """Its folder is gone, a link in it too, but not what the link leads to; the storage stays."""
    files, size = deletable(study.store, _note)
    assert files >= 4
    assert size > 0
    delete(study.store, _note)
    assert list((tmp_path / "studies").iterdir()) == []
    assert (tmp_path / "elsewhere" / "kept.txt").read_text() == "kept"


def test_a_study_on_another_disk_is_emptied(study: Recording, tmp_path: Path) -> None:
    """Where the study's folder is a link, what it leads to is deleted as well as the link."""
    (tmp_path / "studies" / study.job.name).rename(tmp_path / "disk")
    (tmp_path / "studies" / study.job.name).symlink_to(tmp_path / "disk")
    delete(Store(tmp_path / "studies").folder(study.job.name), _note)
    assert list((tmp_path / "studies").iterdir()) == []
    assert not (tmp_path / "disk").exists() or list((tmp_path / "disk").iterdir()) == []


def test_what_is_no_study_is_left_alone(tmp_path: Path) -> None:
    """A folder without a study.json, or with one that is not tunepipe's, is refused."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(JobNotFound):
        delete(Store(tmp_path), _note)
    (tmp_path / layout.STUDY).write_text('{"schema_version": 99}')
    with pytest.raises(StorageError, match="schema version 99"):
        delete(Store(tmp_path), _note)
    assert (tmp_path / "mine.txt").exists()


def test_files_of_somebody_else_are_named_and_kept(study: Recording) -> None:
    """A file that no study has stops the deletion before it begins."""
    study.store.write("thesis/chapter.tex", "words")
    before = study.store.files()
    with pytest.raises(StorageError, match=r"not the study's: thesis/chapter\.tex\. Nothing was deleted"):
        delete(study.store, _note)
    assert study.store.files() == before


def test_a_running_study_is_not_deleted(study: Recording) -> None:
    """As long as the process of its last session is alive."""
    me = psutil.Process()
    content = {"number": 2, "state": "running", "started": datetime.now(UTC).isoformat(), "host": platform.node()}
    content |= {"heartbeat": datetime.now(UTC).isoformat(), "pid": os.getpid(), "process_started": me.create_time()}
    study.store.write(layout.session(2), json.dumps(content))
    with pytest.raises(StudyExists, match=f"is running: process {os.getpid()}"):
        delete(study.store, _note)
    study.store.write(layout.session(2), json.dumps(content | {"process_started": me.create_time() - 100}))
    delete(study.store, _note)
    assert not study.store.exists(layout.STUDY)
