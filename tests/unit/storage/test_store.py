"""Files under one URI."""

import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from pipeline.errors import StorageError
from pipeline.storage import Store
from pipeline.storage.schema import arrow_schema
from tests.processes import printed_without_privileges


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty storage on this machine."""
    return Store(tmp_path / "studies")


def _names(store: Store, folder: str = "") -> list[str]:
    """All entries of a folder, hidden ones included."""
    assert store.local is not None
    return sorted(path.name for path in (store.local / folder).iterdir())


def test_written_content_is_read(store: Store) -> None:
    """Text, bytes and chunks are equal after writing and reading, and the write returns the size."""
    assert store.write("a/b/c.bin", [b"12", memoryview(b"345")]) == 5
    store.write("a/text", "ö")
    assert store.read("a/b/c.bin") == b"12345"
    assert store.read_text("a/text") == "ö"
    assert store.files() == ["a/b/c.bin", "a/text"]
    assert store.sizes("a/b") == [("a/b/c.bin", 5)]
    assert store.folders() == ["a"]
    assert store.folder("a").files() == ["b/c.bin", "text"]


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a/.."])
def test_no_path_leads_out(store: Store, path: str) -> None:
    """A path that leaves the storage is refused by every method."""
    for call in (store.read, store.delete, store.exists, store.files, store.folder):
        with pytest.raises(StorageError, match="leads out"):
            call(path)
    with pytest.raises(StorageError, match="leads out"):
        store.write(path, b"")


def test_a_file_in_place_of_a_folder_is_reported(store: Store) -> None:
    """A file in the place of a folder is reported with the path, the system's message and a remedy."""
    store.write("a", b"")
    with pytest.raises(
        StorageError, match=r"Cannot write .*/a/b: File exists\. .*choose another storage with --storage"
    ):
        store.write("a/b", b"")


def test_a_read_only_folder_is_reported() -> None:
    """A write to a read-only folder is reported as such to an unprivileged user."""
    code = (
        "from pipeline.errors import StorageError\n"
        "from pipeline.storage import Store\n"
        "try: Store(sys.argv[1]).write('a', b'x')\n"
        "except StorageError as error: print(error)"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        printed = printed_without_privileges(code, folder)
        assert printed.startswith(f"Cannot write {folder}/a: Permission denied. ")
        assert "choose another storage with --storage." in printed
        assert _names(Store(folder)) == []


def test_a_schema_version_is_written(store: Store) -> None:
    """A table of the schema is readable, with its schema version, by any Parquet reader."""
    store.write_table("decisions/part-1.parquet", arrow_schema("decisions", {}).empty_table())
    assert store.read_table("decisions").num_rows == 0
    written = pq.read_schema(store.local / "decisions/part-1.parquet")
    assert written.metadata[b"schema_version"] == b"1"


def test_a_store_that_is_not_local(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store on another pyarrow file system behaves the same without temporary names."""
    system, root = fs.FileSystem.from_uri("mock:///bucket/studies")
    system.create_dir("bucket/studies/a", recursive=True)
    monkeypatch.setattr("pipeline.storage.location.file_system", lambda _: (system, root))
    store = Store("mock:///bucket/studies")
    assert store.local is None
    assert store.write("a/b", b"123") == 3
    store.append("a/b", b"45")
    assert (store.read("a/b"), store.read_start("a/b", 2), store.sizes()) == (b"12345", b"12", [("a/b", 5)])
    store.delete("a/b")
    assert store.files() == []


def test_appending(store: Store) -> None:
    """Appending creates a missing file and extends an existing one."""
    store.append("logs/a.log", b"1")
    store.append("logs/a.log", b"2")
    assert store.read("logs/a.log") == b"12"
