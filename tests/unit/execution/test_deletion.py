"""Deleting a study: all of it, nothing else, and not while its driver runs."""

import errno
import json
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import pytest

from pipeline.errors import JobNotFound, StorageError, StudyExists
from pipeline.execution.commands import check_deletable, delete
from pipeline.storage import Store
from pipeline.storage.sessions import identity
from pipeline.study import layout
from tests.recorded_studies import Recording, asha_study


@pytest.fixture
def study(tmp_path: Path) -> Recording:
    """A finished study, with a report."""
    study = asha_study(tmp_path / "studies", trials=3)
    study.store.write(layout.REPORT, "<p>")
    return study


def test_deletion_removes_all_of_the_study_and_nothing_else(study: Recording, tmp_path: Path) -> None:
    (tmp_path / "studies" / "beside.txt").write_text("kept")
    study.store.write("checkpoints/0001/.writing-000003.ckpt-0a1b2c3d", "x")
    study.store.write("files/0001/any/depth.bin", "what the trial's own code wrote")
    (tmp_path / "studies" / study.job.name / "logs").mkdir(exist_ok=True)
    found = check_deletable(study.store)
    assert "of which 1 in the working folders" in found
    delete(study.store)
    assert [path.name for path in (tmp_path / "studies").iterdir()] == ["beside.txt"]


def test_a_study_that_is_a_link_is_not_followed(study: Recording, tmp_path: Path) -> None:
    (tmp_path / "studies" / study.job.name).rename(tmp_path / "disk")
    (tmp_path / "studies" / study.job.name).symlink_to(tmp_path / "disk")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StorageError, match=rf"is a link to {tmp_path}/disk\. Nothing was deleted"):
        delete(Store(tmp_path / "studies").folder(study.job.name))
    assert sorted(tmp_path.rglob("*")) == before
    delete(Store(tmp_path / "disk"))
    assert not (tmp_path / "disk").exists()


def test_folders_that_are_no_study_are_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(JobNotFound):
        delete(Store(tmp_path))
    (tmp_path / layout.STUDY).write_text('{"schema_version": 99}')
    with pytest.raises(StorageError, match="schema version 99"):
        delete(Store(tmp_path))
    assert (tmp_path / "mine.txt").exists()


def test_a_running_study_is_not_deleted(study: Recording) -> None:
    content = {"number": 2, "state": "running", "started": datetime.now(UTC).isoformat(), **identity()}
    content |= {"heartbeat": datetime.now(UTC).isoformat()}
    study.store.write(layout.session(2), json.dumps(content))
    with pytest.raises(StudyExists, match="is running"):
        delete(study.store)
    study.store.write(layout.session(2), json.dumps(content | {"process_started_after_boot": 1.0}))
    delete(study.store)
    assert not study.store.exists(layout.STUDY)


def test_a_study_with_an_unreadable_session_can_be_deleted(study: Recording) -> None:
    study.store.write(layout.session(2), "{")
    delete(study.store)
    assert not study.store.exists(layout.STUDY)


def test_a_study_whose_session_cannot_be_read_now_is_not_deleted(study: Recording) -> None:
    with (
        mock.patch.object(Store, "_open", side_effect=OSError(errno.ETIMEDOUT, "Timed out")),
        mock.patch("pipeline.execution.commands.read_job"),
        pytest.raises(StorageError, match="Timed out"),
    ):
        delete(study.store)
    assert study.store.exists(layout.STUDY)
