"""Files on this machine's file system."""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import StorageError
from pipeline.storage.local_files import LocalFiles
from pipeline.storage.paths import unfinished


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    """An empty folder's files."""
    return LocalFiles(tmp_path / "root")


def test_a_failed_write_keeps_the_old_file(files: LocalFiles) -> None:
    """After a failed write, readers see the old content and no temporary file remains."""
    files.write("a", [b"old"])

    def pieces() -> Iterator[bytes]:
        yield b"new"
        assert files.read("a") == b"old"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write("a", pieces())
    assert files.read("a") == b"old"
    assert [entry.path for entry in files.entries()] == ["a"]


def test_an_unfinished_file_is_not_listed(files: LocalFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in writing, even after its writer was killed, exists only under a hidden temporary name."""
    seen = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append((files.sizes(""), [e.path for e in files.entries()])))
    files.write("epochs/part-1.parquet", [b"x"])
    ((sizes, (folder, name)),) = seen
    assert (sizes, folder) == ([], "epochs")
    assert unfinished(name) == "epochs/part-1.parquet"
    assert not name.endswith(".parquet")


def test_the_age_of_a_file_is_that_by_the_file_system(files: LocalFiles) -> None:
    """A file's age is the time since it was written, nothing is left of finding it out, and a missing file has none."""
    files.write("a/x", [b"1"])
    os.utime(files.root / "a/x", (1e9, 1e9))
    assert files.age("a/x") > 1e8
    assert [entry.path for entry in files.entries() if entry.kind == "file"] == ["a/x"]
    with pytest.raises(FileNotFoundError):
        files.age("a/y")


def test_a_driver_may_delete_what_tells_the_time(files: LocalFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file has an age although a driver that sweeps the folder deletes the file that was written to find it out."""
    files.write("x", [b"1"])
    os.utime(files.root / "x", (1e9, 1e9))
    swept: list[str] = []

    def sweep(_: int) -> None:
        if not swept:
            swept.extend(entry.path for entry in files.entries() if unfinished(entry.path))
            (files.root / swept[0]).unlink()

    monkeypatch.setattr(os, "fsync", sweep)
    assert files.age("x") > 1e8
    assert (len(swept), files.sizes("")) == (1, [("x", 1)])


def test_of_several_creators_one_succeeds(files: LocalFiles) -> None:
    """If several processes create a file, only the first succeeds, and the others leave no file."""
    assert files.create("a/x", b"first")
    assert not files.create("a/x", b"second")
    assert files.read("a/x") == b"first"
    assert [entry.path for entry in files.entries()] == ["a", "a/x"]


def test_a_second_name_of_a_file_keeps_its_content(files: LocalFiles) -> None:
    """Replacing a file does not change the content of its hard link, such as a backup."""
    files.append("log", b"1")
    (files.root / "backup").hardlink_to(files.root / "log")
    files.append("log", b"2")
    files.append("log", b"3")
    assert files.read("log") == b"123"
    assert files.read("backup") == b"1"


def test_the_start_of_a_file_can_be_read(files: LocalFiles) -> None:
    """The first bytes and the size of a file can be read, and a folder has neither."""
    files.write("a/x", [b"12", b"345"])
    assert (files.read("a/x", 3), files.size("a/x"), files.size("a")) == (b"123", 5, None)
    with pytest.raises(FileNotFoundError):
        files.size("nothing")


def test_empty_folders_are_deleted(files: LocalFiles) -> None:
    """All empty folders are deleted, and the root if nothing is left in it."""
    files.write("a/b/x", [b""])
    (files.root / "c/d").mkdir(parents=True)
    files.delete_empty_folders()
    assert [entry.path for entry in files.entries()] == ["a", "a/b", "a/b/x"]
    files.delete("a/b/x")
    files.delete_empty_folders()
    assert not files.root.exists()
    files.delete_empty_folders()


def test_no_link_is_written_through(files: LocalFiles, tmp_path: Path) -> None:
    """A link to a file within the folder may be read, and one to a file outside is refused."""
    files.write("a/x", [b"1"])
    (files.root / "inside").symlink_to("a/x")
    (tmp_path / "outside").write_text("secret")
    (files.root / "out").symlink_to(tmp_path / "outside")
    assert files.read("inside") == b"1"
    for path in ("inside", "out"):
        with pytest.raises(StorageError):
            files.write(path, [b"2"])
    with pytest.raises(StorageError):
        files.read("out")


@pytest.fixture(params=[None, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS], ids=str)
def links(request, monkeypatch) -> None:
    """A file system with hard links, and ones that refuse them as SMB and mounted buckets do."""
    if request.param is not None:

        def refuse(*_: object) -> None:
            raise OSError(request.param, os.strerror(request.param))

        monkeypatch.setattr("os.link", refuse)


@pytest.mark.usefixtures("links")
def test_of_several_writers_of_one_name_one_succeeds(tmp_path):
    """If several processes write a name, one succeeds and no temporary file is left, with and without hard links."""
    files, barrier, created = LocalFiles(tmp_path), threading.Barrier(8), []

    def create(content: bytes) -> None:
        barrier.wait()
        if files.create("sessions/1.json", content):
            created.append(content)

    writers = [threading.Thread(target=create, args=(str(number).encode(),)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [(tmp_path / "sessions/1.json").read_bytes()] == created
    assert [path.name for path in (tmp_path / "sessions").iterdir()] == ["1.json"]
    assert not files.create("sessions/1.json", b"later")


def test_other_errors_of_a_link_are_errors(tmp_path, monkeypatch):
    """A full disk is reported as an error, and not taken for a file system without hard links."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.link", full)
    with pytest.raises(OSError, match="No space left"):
        LocalFiles(tmp_path).create("a", b"x")
    assert list(Path(tmp_path).iterdir()) == []


def test_a_name_like_a_temporary_one_is_listed(files: LocalFiles) -> None:
    """A file whose name only contains the beginning of temporary names is listed."""
    files.write("my.writing-notes", [b"1"])
    assert files.sizes("") == [("my.writing-notes", 1)]


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127])
def test_the_longest_names_can_be_written(files: LocalFiles, name: str) -> None:
    """A file whose name is as long as the file system allows is written, and no temporary file remains."""
    files.write(name, [b"1"])
    assert files.create(f"a/{name}", b"2")
    assert sorted(entry.path for entry in files.entries()) == sorted(["a", name, f"a/{name}"])
