"""Files on this machine's file system and in an object store: one contract, then what only one of them has."""

import errno
import gc
import os
import threading
from types import SimpleNamespace

import pytest
from pyarrow import fs

from pipeline.errors import StorageError
from pipeline.storage.local_files import LocalFiles
from pipeline.storage.object_files import ObjectFiles, file_system, with_defaults
from pipeline.storage.paths import unfinished


@pytest.fixture
def root(tmp_path):
    (tmp_path / "bucket/studies/a").mkdir(parents=True)
    return tmp_path / "bucket/studies"


@pytest.fixture
def objects(root):
    return ObjectFiles(fs.SubTreeFileSystem(str(root.parents[1]), fs.LocalFileSystem()), "bucket/studies")


@pytest.fixture(params=["local", "objects"])
def files(request, root):
    return LocalFiles(root) if request.param == "local" else request.getfixturevalue("objects")


def paths(files):
    return sorted(entry.path for entry in files.entries() if entry.kind == "file")


def test_written_files_are_read_and_listed(files):
    assert not files.exists("a/x")
    assert files.write("a/x", [b"12", memoryview(b"345")]) == 5
    assert (files.read("a/x"), files.read("a/x", 2), files.size("a/x"), files.size("a")) == (b"12345", b"12", 5, None)
    assert files.sizes("") == [("a/x", 5)]
    assert files.sizes("nothing") == []
    assert files.folders() == ["a"]
    assert sorted((entry.path, entry.kind) for entry in files.entries()) == [("a", "folder"), ("a/x", "file")]
    files.delete("nothing")
    for ask in (files.read, files.size):
        with pytest.raises(FileNotFoundError):
            ask("nothing")


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x"])
def test_no_path_leads_out(files, path):
    for ask in (files.read, files.delete, files.exists, files.sizes):
        with pytest.raises(StorageError, match="leads out"):
            ask(path)


@pytest.mark.parametrize("error", [OSError("vanished"), KeyboardInterrupt()])
def test_content_that_ends_with_an_error_leaves_the_earlier_file_or_none(files, error):
    def failing():
        yield b"half"
        assert not files.exists("new")
        raise error

    files.write("x", [b"before"])
    for path in ("x", "new"):
        with pytest.raises(type(error)):
            files.write(path, failing())
    assert files.read("x") == b"before"
    assert paths(files) == ["x"]


def test_a_file_is_created_once_and_appended_to(files):
    assert files.create("a/x", b"1")
    assert not files.create("a/x", b"2")
    files.append("a/x", b"2")
    files.append("y", b"3")
    assert (files.read("a/x"), files.read("y")) == (b"12", b"3")
    assert paths(files) == ["a/x", "y"]


def test_the_age_of_a_file_is_that_by_the_storage(files, root):
    files.write("x", [b"1"])
    os.utime(root / "x", (1e9, 1e9))
    assert files.age("x") > 1e8
    with pytest.raises(FileNotFoundError):
        files.age("y")
    assert paths(files) == ["x"]


def test_only_empty_folders_are_deleted(files, root):
    files.write("x", [b""])
    files.delete_empty_folders()
    assert files.exists("x")
    files.delete("x")
    files.delete_empty_folders()
    assert not root.exists()
    files.delete_empty_folders()


@pytest.mark.parametrize("name", ["my.writing-notes", "x" * 255, "ü" * 127, "50% a"])
def test_any_name_can_be_written(files, name):
    files.write(name, [b"1"])
    assert files.create(f"a/{name}", b"2")
    assert paths(files) == sorted([name, f"a/{name}"])


def test_a_file_in_writing_has_a_temporary_name(root, monkeypatch):
    files, seen = LocalFiles(root), []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append((files.sizes(""), paths(files))))
    files.write("epochs/part-1.parquet", [b"x"])
    ((sizes, (name,)),) = seen
    assert sizes == []
    assert unfinished(name) == "epochs/part-1.parquet"
    assert not name.endswith(".parquet")


def test_no_link_is_written_through(root, tmp_path):
    files = LocalFiles(root)
    files.write("a/x", [b"1"])
    (root / "inside").symlink_to("a/x")
    (tmp_path / "outside").write_text("secret")
    (root / "out").symlink_to(tmp_path / "outside")
    assert files.read("inside") == b"1"
    for path in ("inside", "out"):
        for change in (lambda path: files.write(path, [b"2"]), files.delete):
            with pytest.raises(StorageError):
                change(path)
    with pytest.raises(StorageError):
        files.read("out")


@pytest.mark.parametrize("error", [None, errno.EPERM, errno.EOPNOTSUPP], ids=str)
def test_of_several_writers_of_one_name_one_succeeds(error, root, monkeypatch):
    """With hard links and without, as on SMB and in mounted buckets."""
    files, barrier, created = LocalFiles(root), threading.Barrier(8), []
    if error is not None:
        monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError(error, os.strerror(error))))

    def create(content):
        barrier.wait()
        if files.create("sessions/1.json", content):
            created.append(content)

    writers = [threading.Thread(target=create, args=(str(number).encode(),)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [files.read("sessions/1.json")] == created
    assert paths(files) == ["sessions/1.json"]


def test_a_full_disk_is_no_file_system_without_links(root, monkeypatch):
    monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
    with pytest.raises(OSError, match="No space left"):
        LocalFiles(root).create("a", b"x")
    assert paths(LocalFiles(root)) == []


class Upload:
    """An upload that is completed when it is closed or freed, as pyarrow's; `fails` is raised by its second piece."""

    def __init__(self, objects, fails):
        self._objects, self._fails, self._content = objects, fails, b""

    def write(self, piece):
        if self._content and self._fails is not None:
            raise self._fails
        self._content += piece

    def close(self):
        self._objects.append(self._content)

    __del__ = close


@pytest.mark.parametrize("error", [OSError("away"), KeyboardInterrupt()])
def test_an_upload_that_is_cut_off_is_never_completed(error):
    large, completed = b"x" * 8 * 2**20, []

    def failing():
        yield large
        raise error

    for content, fails in ((failing(), None), (iter([large, b"more"]), error)):
        system = SimpleNamespace(open_output_stream=lambda _path, fails=fails: Upload(completed, fails))
        with pytest.raises(type(error)):
            ObjectFiles(system, "bucket").write("x", content)
        gc.collect()
    assert completed == []


def test_azure_is_asked_for_the_folder_before_it_lists():
    """Azure's client ends the process if it may not list."""

    def get_file_info(of):
        if isinstance(of, str):
            raise OSError("no token")
        return []

    with pytest.raises(OSError, match="no token"):
        ObjectFiles(SimpleNamespace(type_name="abfs", get_file_info=get_file_info), "c/s").sizes("")


def test_uris_get_the_options_that_they_do_not_have():
    system, path = file_system("s3://bucket/key?region=eu-west-1")
    assert (path, system.region) == ("bucket/key", "eu-west-1")
    assert with_defaults("s3://b/x") == "s3://b/x?allow_delayed_open=true"
    assert with_defaults("gs://b/x?a=b") == "gs://b/x?a=b&retry_limit_seconds=10"
    assert with_defaults("gcs://b/x?retry_limit_seconds=1").endswith("=1")
    assert with_defaults("abfs://b@c/x") == "abfs://b@c/x"
