"""Files in an object store, through file systems of pyarrow."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pyarrow import fs

from pipeline.errors import StorageError
from pipeline.storage.object_files import ObjectFiles, file_system, with_defaults


@pytest.fixture
def files(tmp_path: Path) -> ObjectFiles:
    """An empty bucket: a file system of pyarrow without temporary names."""
    (tmp_path / "bucket/studies").mkdir(parents=True)
    return ObjectFiles(fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()), "bucket/studies")


@pytest.mark.parametrize("more", ["", "&allow_delayed_open=false"])
def test_a_uri_is_a_file_system_and_a_path(more: str) -> None:
    """A URI's options, including the added one, configure its file system; a URI unknown to pyarrow is an error."""
    system, path = file_system(f"s3://bucket/key?region=eu-west-1{more}")
    assert (path, system.region) == ("bucket/key", "eu-west-1")
    _, root = file_system("mock:///bucket/studies")
    assert root.endswith("bucket/studies")
    with pytest.raises(Exception, match="nope"):
        file_system("nope://x")


def test_written_objects_are_readable_by_name(files: ObjectFiles, tmp_path: Path) -> None:
    """An object can be read by its name after the write, and folders are common prefixes."""
    assert not files.exists("x")
    (tmp_path / "bucket/studies/a").mkdir()
    assert files.write("a/x", [b"12", memoryview(b"345")]) == 5
    assert (files.read("a/x"), files.read("a/x", 2), files.size("a/x"), files.size("a")) == (b"12345", b"12", 5, None)
    assert files.sizes("") == [("a/x", 5)]
    assert files.folders() == ["a"]
    assert sorted((entry.path, entry.kind) for entry in files.entries()) == [("a", "folder"), ("a/x", "file")]


def test_missing_objects_may_be_deleted_and_listed(files: ObjectFiles) -> None:
    """Deleting or listing missing objects is not an error, and reading one is."""
    files.delete("x")
    assert files.sizes("nothing") == []
    with pytest.raises(FileNotFoundError):
        files.read("x")
    with pytest.raises(FileNotFoundError):
        files.size("x")


def test_azure_is_asked_for_the_folder_before_it_lists() -> None:
    """A folder is looked at before it is listed, because Azure's client ends the process if it may not list."""
    asked: list[Any] = []

    def get_file_info(of: Any) -> list[fs.FileInfo]:
        asked.append(of)
        if isinstance(of, str):
            raise OSError("no token")
        return []

    azure = ObjectFiles(cast(fs.FileSystem, SimpleNamespace(type_name="abfs", get_file_info=get_file_info)), "c/s")
    with pytest.raises(OSError, match="no token"):
        azure.sizes("")
    assert asked == ["c/s"]


def test_the_age_of_an_object_is_that_by_the_store(files: ObjectFiles, tmp_path: Path) -> None:
    """An object's age is the time since it was written, finding it out leaves nothing, and a missing one has none."""
    files.write("x", [b"1"])
    os.utime(tmp_path / "bucket/studies/x", (1e9, 1e9))
    assert files.age("x") > 1e8
    with pytest.raises(FileNotFoundError):
        files.age("y")
    assert files.sizes("") == [("x", 1)]


def test_a_driver_may_delete_what_tells_the_time(
    files: ObjectFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object has an age although a driver that sweeps the store deletes what was written to find it out."""
    files.write("x", [b"1"])
    os.utime(tmp_path / "bucket/studies/x", (1e9, 1e9))
    write, swept = files.write, []

    def sweeping(path: str, pieces: Any) -> int:
        size = write(path, pieces)
        if not swept:
            swept.append(path)
            files.delete(path)
        return size

    monkeypatch.setattr(files, "write", sweeping)
    assert files.age("x") > 1e8
    assert (len(swept), files.sizes("")) == (1, [("x", 1)])


def test_a_file_is_created_once_and_appended_to(files: ObjectFiles) -> None:
    """A file is created at most once, and appending keeps its content or creates a missing file."""
    assert files.create("x", b"1")
    assert not files.create("x", b"2")
    files.append("x", b"2")
    files.append("y", b"3")
    assert (files.read("x"), files.read("y")) == (b"12", b"3")


def test_only_empty_folders_are_deleted(files: ObjectFiles, tmp_path: Path) -> None:
    """A folder is deleted only if no file is left in it."""
    files.write("x", [b""])
    files.delete_empty_folders()
    assert files.exists("x")
    files.delete("x")
    files.delete_empty_folders()
    assert not (tmp_path / "bucket/studies").exists()
    files.delete_empty_folders()


def _failing(*pieces: bytes, error: BaseException) -> Iterator[bytes]:
    yield from pieces
    raise error


@pytest.mark.parametrize("error", [OSError("vanished"), KeyboardInterrupt()])
def test_a_small_file_stays_if_its_content_ends_with_an_error(files: ObjectFiles, error: BaseException) -> None:
    """An error among the pieces of a small file leaves the earlier file, or none."""
    files.write("x", [b"before"])
    for path in ("x", "new"):
        with pytest.raises(type(error)):
            files.write(path, _failing(b"half", error=error))
    assert files.read("x") == b"before"
    assert not files.exists("new")


class _Upload:
    """An upload that is completed when it is closed or freed, as pyarrow's; `fails` is raised by its second piece."""

    def __init__(self, objects: list[bytes], fails: BaseException | None) -> None:
        self._objects, self._fails, self._content = objects, fails, b""

    def write(self, piece: bytes) -> None:
        """Take a piece."""
        if self._content and self._fails is not None:
            raise self._fails
        self._content += piece

    def close(self) -> None:
        """Complete the upload."""
        self._objects.append(self._content)

    __del__ = close


@pytest.mark.parametrize("error", [OSError("away"), KeyboardInterrupt()])
def test_an_upload_that_is_cut_off_is_never_completed(error: BaseException) -> None:
    """A large file whose content or whose upload ends with an error never shows, not as a shorter one either."""
    large, objects = b"x" * 8 * 2**20, []
    for content, fails in ((_failing(large, error=error), None), (iter([large, b"more"]), error)):
        system = SimpleNamespace(open_output_stream=lambda _path, fails=fails: _Upload(objects, fails))
        with pytest.raises(type(error)):
            ObjectFiles(cast("fs.FileSystem", system), "bucket").write("x", content)
        gc.collect()
    assert objects == []


def test_a_large_file_is_written_whole(files: ObjectFiles) -> None:
    """A file of many pieces is complete."""
    large = b"x" * 10 * 2**20
    assert files.write("x", iter([large, b"3", b"45"])) == len(large) + 3
    assert files.read("x") == large + b"345"


def test_a_folder_is_read_through_the_same_client(files: ObjectFiles, tmp_path: Path) -> None:
    """The files of a folder are those below it, whatever its name."""
    (tmp_path / "bucket/studies/50% a").mkdir()
    files.write("50% a/x", [b"1"])
    folder = files.within("50% a")
    assert folder.sizes("") == [("x", 1)]
    with pytest.raises(StorageError, match="leads out"):
        files.within("../other")


@pytest.mark.parametrize("scheme", ["gs", "gcs"])
def test_googles_client_gives_up_after_seconds(scheme: str) -> None:
    """Both schemes of Google's store get the option that limits its retries, unless the URI has it."""
    assert with_defaults(f"{scheme}://b/x") == f"{scheme}://b/x?retry_limit_seconds=10"
    assert with_defaults(f"{scheme}://b/x?retry_limit_seconds=1").endswith("=1")
    assert with_defaults("abfs://b@c/x") == "abfs://b@c/x"


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x"])
def test_no_path_leads_out(files: ObjectFiles, path: str) -> None:
    """A path that leads out of the store is refused before a request is sent."""
    with pytest.raises(StorageError, match="leads out"):
        files.read(path)
