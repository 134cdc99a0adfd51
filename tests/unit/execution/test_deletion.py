"""Deleting a study: all of it, nothing else, and not while its driver runs."""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.errors import JobNotFound, StorageError, StudyExists
from pipeline.execution.deletion import check_deletable, delete
from pipeline.storage import Store
from pipeline.storage.processes import identity
from pipeline.study import layout
from tests.unit.results.studies import Recording, asha_study


@pytest.fixture
def study(tmp_path: Path) -> Recording:
    """A finished study, with a report."""
    study = asha_study(tmp_path / "studies", trials=3)
    study.store.write(layout.REPORT, "<p>")
    return study


def _note(_: str) -> None:
    raise AssertionError("there is nothing to wait for")


def test_deletion_removes_all_of_the_study_and_nothing_else(study: Recording, tmp_path: Path) -> None:
    (tmp_path / "studies" / "beside.txt").write_text("kept")
    study.store.write("checkpoints/0001/.writing-000003.ckpt-0a1b2c3d", "x")
    study.store.write("files/0001/any/depth.bin", "what the trial's own code wrote")
    (tmp_path / "studies" / study.job.name / "logs").mkdir(exist_ok=True)
    found = check_deletable(study.store, _note)
    assert found.files >= 6
    assert found.bytes > 0
    assert [entry.path for entry in found.of_trials] == ["files/0001/any/depth.bin"]
    delete(study.store, _note)
    assert [path.name for path in (tmp_path / "studies").iterdir()] == ["beside.txt"]


def test_a_study_that_is_a_link_is_not_followed(study: Recording, tmp_path: Path) -> None:
    (tmp_path / "studies" / study.job.name).rename(tmp_path / "disk")
    (tmp_path / "studies" / study.job.name).symlink_to(tmp_path / "disk")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StorageError, match=rf"is a link to {tmp_path}/disk\. Nothing was deleted"):
        delete(Store(tmp_path / "studies").folder(study.job.name), _note)
    assert sorted(tmp_path.rglob("*")) == before
    delete(Store(tmp_path / "disk"), _note)
    assert not (tmp_path / "disk").exists()


def test_folders_that_are_no_study_are_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(JobNotFound):
        delete(Store(tmp_path), _note)
    (tmp_path / layout.STUDY).write_text('{"schema_version": 99}')
    with pytest.raises(StorageError, match="schema version 99"):
        delete(Store(tmp_path), _note)
    assert (tmp_path / "mine.txt").exists()


def test_only_the_recorded_copies_of_sources_are_deleted(study: Recording) -> None:
    document = json.loads(study.store.read(layout.STUDY))
    document["sources"] = {"roots": [], "files": {"job.py": "0" * 64}}
    study.store.write(layout.STUDY, json.dumps(document))
    study.store.write("source/job.py", "JOB = None")
    study.store.write("source/analysis.py", "mine")
    with pytest.raises(StorageError, match=r"1 entry that is not the study's: source/analysis\.py"):
        delete(study.store, _note)
    study.store.delete("source/analysis.py")
    delete(study.store, _note)
    assert not study.store.exists("source/job.py")


def test_an_untracked_file_prevents_the_deletion(study: Recording) -> None:
    study.store.write("checkpoints/0000/notes.txt", "words")
    before = study.store.entries()
    with pytest.raises(
        StorageError, match=r"1 entry that is not the study's: checkpoints/0000/notes\.txt\. Nothing was deleted"
    ):
        delete(study.store, _note)
    assert study.store.entries() == before


def test_a_file_that_appears_during_the_deletion_is_kept(study: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Store.delete_empty_folders

    def late(store: Store) -> None:
        store.write("export/late.txt", "late")
        whole(store)

    monkeypatch.setattr(Store, "delete_empty_folders", late)
    with pytest.raises(StorageError, match=r"is deleted, except files of other programs .*: export/late\.txt"):
        delete(study.store, _note)
    assert [str(entry) for entry in study.store.entries()] == ["export/", "export/late.txt"]


def test_a_running_study_is_not_deleted(study: Recording) -> None:
    content = {"number": 2, "state": "running", "started": datetime.now(UTC).isoformat(), **identity()}
    content |= {"heartbeat": datetime.now(UTC).isoformat()}
    study.store.write(layout.session(2), json.dumps(content))
    with pytest.raises(StudyExists, match=f"is running: process {os.getpid()}"):
        delete(study.store, _note)
    study.store.write(layout.session(2), json.dumps(content | {"process_started_after_boot": 1.0}))
    delete(study.store, _note)
    assert not study.store.exists(layout.STUDY)


def test_a_study_with_an_unreadable_session_can_be_deleted(
    study: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "studies" / study.job.name / layout.session(2)
    path.write_text("{")
    reported: list[str] = []
    monkeypatch.setattr(time, "sleep", lambda _: path.write_text("{}"))
    with pytest.raises(StudyExists, match="A driver is running the study"):
        delete(study.store, reported.append)
    monkeypatch.setattr(time, "monotonic", iter(range(0, 1_000_000, 50)).__next__)
    delete(study.store, reported.append)
    assert "sessions/0002.json" in reported[0]
    assert not study.store.exists(layout.STUDY)
