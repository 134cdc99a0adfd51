"""Folders and URIs as locations of a storage."""

from pathlib import Path

import pytest
from pyarrow import fs

from pipeline.errors import StorageError
from pipeline.storage.local_files import LocalFiles
from pipeline.storage.location import Location
from pipeline.storage.object_files import ObjectFiles


@pytest.mark.parametrize("text", ["nope://x", "s3:/bucket/key", "~nobody-of-that-name/x", "a\0b"])
def test_an_unknown_location_is_refused(text: str) -> None:
    """A location that cannot be used is refused by its name immediately."""
    with pytest.raises(StorageError, match="cannot be used"):
        Location.of(text)


def test_a_missing_slash_of_a_uri_is_named() -> None:
    """A URI with only one slash is reported, and not taken for a folder of that name."""
    with pytest.raises(StorageError, match="a URI has two slashes, as in s3://bucket/folder"):
        Location.of("s3:/bucket/key")


def test_a_folder_has_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths and those in the home folder become absolute; colons and question marks belong to names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert Location.of("studies").uri == str(tmp_path / "studies")
    assert Location.of("~/studies").uri == str(tmp_path / "home/studies")
    location = Location.of("a:b?c")
    assert isinstance(location.files, LocalFiles)
    assert location.uri_of("s") == str(tmp_path / "a:b?c/s")


def test_a_file_uri_is_a_folder_of_this_machine(tmp_path: Path) -> None:
    """A file:// URI refers to local files and stays as given, without its last slash."""
    location = Location.of(f"file://{tmp_path}/")
    assert isinstance(location.files, LocalFiles)
    assert location.files.root == tmp_path
    assert location.uri == f"file://{tmp_path}"
    assert location.uri_of("a/b") == f"file://{tmp_path}/a/b"


def test_options_of_an_object_store_stay_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path in an object store is inserted before the options of its URI, and an empty path changes nothing."""
    system, root = fs.FileSystem.from_uri("mock:///bucket/studies")
    monkeypatch.setattr("pipeline.storage.location.file_system", lambda _: (system, root))
    location = Location.of("s3://bucket/studies/?region=x")
    assert isinstance(location.files, ObjectFiles)
    assert location.uri_of("a/b") == "s3://bucket/studies/a/b?region=x"
    assert location.uri_of("") == "s3://bucket/studies/?region=x"
    assert Location.of("S3://bucket/studies/").uri_of("a") == "S3://bucket/studies/a"
