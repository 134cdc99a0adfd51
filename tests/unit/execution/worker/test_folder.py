"""A trial's working folder: what callbacks and functions write, on a file system and with an object store."""

import os
from pathlib import PurePosixPath

import pytest
from pyarrow import fs

from pipeline.errors import Superseded
from pipeline.execution.worker.folder import TrialFolder
from pipeline.storage import Store


@pytest.fixture
def bucket(monkeypatch):
    """A study's folder in an object store: pyarrow's own file system for tests."""
    system, root = fs.FileSystem.from_uri("mock:///bucket/study")
    system.create_dir(root, recursive=True)
    monkeypatch.setattr("pipeline.storage.store.file_system", lambda _: (system, root))

    class Bucket(Store):
        def write(self, path, content, **options):
            system.create_dir(str(PurePosixPath(root, path).parent), recursive=True)
            return super().write(path, content, **options)

    return Bucket("mock:///bucket/study")


def test_on_a_file_system_the_folder_is_within_the_study(tmp_path):
    first = TrialFolder(Store(tmp_path), "0002")
    assert first.folder == tmp_path / "files/0002"
    (first.folder / "log.csv").write_text("1\n")
    first.close()
    assert (TrialFolder(Store(tmp_path), "0002").folder / "log.csv").read_text() == "1\n"


def test_a_worker_that_leaves_keeps_the_folder_of_the_next_one(tmp_path):
    first, second = (TrialFolder(Store(tmp_path), "0002") for _ in range(2))
    first.close()
    assert second.folder.is_dir()


def test_with_an_object_store_the_folder_is_a_copy(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    first = TrialFolder(bucket, "0002")
    (first.folder / "deep").mkdir()
    (first.folder / "deep/log.csv").write_text("1\n")
    (first.folder / "backup").write_text("x")
    (first.folder / os.fsdecode(b"caf\xe9")).write_text("not kept")
    first.keep()
    assert bucket.files() == ["files/0002/backup", "files/0002/deep/log.csv"]
    (first.folder / "deep/log.csv").write_text("1\n2\n")
    (first.folder / "backup").unlink()
    first.close()
    assert bucket.files() == ["files/0002/deep/log.csv"]
    second = TrialFolder(bucket, "0002")
    assert (second.folder / "deep/log.csv").read_text() == "1\n2\n"
    second.close()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_deleted_for_a_study_that_is_anothers(tmp_path):

    def taken_over():
        raise Superseded("taken over")

    folder = TrialFolder(Store(tmp_path), "0002", check=taken_over)
    (folder.folder / "log.csv").write_bytes(bytes(40))
    with pytest.raises(Superseded):
        folder.clear()
    assert (folder.folder / "log.csv").stat().st_size == 40


def test_a_trial_that_starts_again_finds_an_empty_folder(tmp_path):
    outside = tmp_path / "thesis"
    outside.mkdir()
    (outside / "thesis.txt").write_text("years")
    folder = TrialFolder(Store(tmp_path / "study"), "0002")
    (folder.folder / "log.csv").write_text("1\n")
    (folder.folder / "link").symlink_to(outside)
    folder.clear()
    assert list(folder.folder.iterdir()) == []
    assert (outside / "thesis.txt").read_text() == "years"
