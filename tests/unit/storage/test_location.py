"""Folders and URIs as locations of a storage."""

from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pytest
from pyarrow import fs

from pipeline.errors import StorageError, StorageUnreachable
from pipeline.storage.local_files import LocalFiles
from pipeline.storage.location import Location
from pipeline.storage.object_files import ObjectFiles, file_system


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


def test_a_folder_above_is_named_by_its_own_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path with `..` is the folder that the system opens by it, also behind a link, and has no `..`."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a/b")
    monkeypatch.chdir(tmp_path / "a/b")
    assert Location.of("../../st").uri == str(tmp_path / "st")
    assert Location.of(f"{tmp_path}/link/../st").uri == str(tmp_path / "a/st")
    assert Location.of(f"{tmp_path}/link/st").uri == str(tmp_path / "link/st")


def test_a_file_uri_is_a_folder_of_this_machine(tmp_path: Path) -> None:
    """A file:// URI refers to local files and stays as given, without its last slash."""
    location = Location.of(f"file://{tmp_path}/")
    assert isinstance(location.files, LocalFiles)
    assert location.files.root == tmp_path
    assert location.uri == f"file://{tmp_path}"
    assert location.uri_of("a/b") == f"file://{tmp_path}/a/b"


def test_options_of_an_object_store_stay_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is inserted before the options of an object store's URI, which has no slash at the end of its path."""
    system, root = fs.FileSystem.from_uri("mock:///bucket/studies")
    monkeypatch.setattr("pipeline.storage.location.file_system", lambda _: (system, root))
    location = Location.of("s3://bucket/studies/?region=x")
    assert isinstance(location.files, ObjectFiles)
    assert location.uri_of("a/b") == "s3://bucket/studies/a/b?region=x"
    assert location.uri_of("") == "s3://bucket/studies?region=x"
    assert Location.of("S3://bucket/studies/").uri_of("a") == "S3://bucket/studies/a"


@pytest.mark.parametrize("name", ["a b", "50%", "a%20b", "ü", "x#y", "q?r", "p+q", "k=v"])
def test_any_name_in_an_object_store_is_part_of_a_uri(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The URI of a folder with spaces, signs or letters beyond ASCII is read as the same folder."""
    system, root = fs.FileSystem.from_uri("mock:///bucket/studies")
    monkeypatch.setattr("pipeline.storage.location.file_system", lambda _: (system, root))
    uri = Location.of("s3://bucket/studies?region=x").uri_of(name)
    assert uri.isascii()
    assert urlsplit(uri).query == "region=x"
    _, path = file_system(uri.replace("s3:", "mock:").partition("?")[0])
    assert PurePosixPath(path).name == name


@pytest.mark.parametrize("text", ["s3://bucket/my studies", "s3://bucket/übung", "s3://bucket/50%"])
def test_a_uri_that_cannot_be_read_says_how_it_is_written(text: str) -> None:
    """A URI with a character that no URI has is refused as it was given, and the message says how to write it."""
    with pytest.raises(StorageError, match=r"a space is %20 and a percent sign %25") as caught:
        Location.of(text)
    assert "allow_delayed_open" not in str(caught.value)


def test_a_server_that_does_not_say_where_a_storage_is_does_not_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """A storage whose region cannot be looked up now is unreachable, and one that refuses is an error."""
    reason = "When resolving region for bucket 'b': AWS Error {} during HeadBucket operation"

    def fail(text: str) -> None:
        raise OSError(reason.format("NETWORK_CONNECTION" if "away" in text else "ACCESS_DENIED"))

    monkeypatch.setattr("pipeline.storage.location.file_system", fail)
    with pytest.raises(StorageUnreachable, match="NETWORK_CONNECTION"):
        Location.of("s3://away/x")
    with pytest.raises(StorageError, match="ACCESS_DENIED") as caught:
        Location.of("s3://closed/x")
    assert not isinstance(caught.value, StorageUnreachable)
