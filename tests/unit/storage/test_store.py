"""Files under one URI."""

import tempfile
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from pipeline.errors import StorageError, Superseded
from pipeline.storage import Store
from pipeline.storage.schema import arrow_schema
from tests.bucket import Bucket
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
    monkeypatch.setattr("pipeline.storage.store.file_system", lambda _: (system, root))
    store = Store("mock:///bucket/studies")
    assert store.local is None
    assert store.write("a/b", b"123") == 3
    store.append("a/b", b"45")
    assert (store.read("a/b"), store.read_start("a/b", 2), store.sizes()) == (b"12345", b"12", [("a/b", 5)])
    store.delete("a/b")
    assert store.files() == []


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    """A storage of objects."""
    bucket = Bucket(tmp_path / "bucket")
    monkeypatch.setattr("pipeline.storage.store.file_system", lambda _: (bucket, "bucket/studies"))
    return Store("mock:///bucket/studies")


@pytest.mark.parametrize("kind", ["store", "objects"])
def test_many_files_are_deleted(request: pytest.FixtureRequest, kind: str) -> None:
    """Of many files those that exist are deleted, after a check of each batch, and no other file."""
    store: Store = request.getfixturevalue(kind)
    names, left = [f"a/{number:02d}" for number in range(40)], []
    for name in [*names, "kept"]:
        store.write(name, b"x")
    store.delete_all([*names, "a/missing"], lambda: left.append(len(store.files("a"))))
    assert store.files() == ["kept"]
    assert left == [40, 24, 8]
    store.delete_all([])
    assert len(left) == 3


@pytest.mark.parametrize("kind", ["store", "objects"])
def test_a_check_ends_the_deletion_of_many_files(request: pytest.FixtureRequest, kind: str) -> None:
    """Nothing is deleted after a check that raised an error, however many files there are."""
    store: Store = request.getfixturevalue(kind)
    names = [f"{number:02d}" for number in range(40)]
    for name in names:
        store.write(name, b"x")

    def check() -> None:
        if len(store.files()) < len(names):
            raise Superseded("It is another driver's.")

    with pytest.raises(Superseded):
        store.delete_all(names, check)
    assert store.files() == names[16:]


def test_objects_are_deleted_in_parallel(objects: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The requests for several objects are sent before any is answered."""
    all_sent, delete = threading.Barrier(5), Bucket.delete_file

    def answered_together(bucket: Bucket, key: str) -> None:
        all_sent.wait(timeout=60)
        delete(bucket, key)

    monkeypatch.setattr(Bucket, "delete_file", answered_together)
    names = list("abcde")
    for name in names:
        objects.write(name, b"x")
    objects.delete_all(names)
    assert objects.files() == []


def test_an_object_that_cannot_be_deleted_is_reported(objects: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of one of many deletions names its object, and no later batch is deleted."""
    delete = Bucket.delete_file

    def refused(bucket: Bucket, key: str) -> None:
        if key.endswith("/03"):
            raise OSError("no permission")
        delete(bucket, key)

    monkeypatch.setattr(Bucket, "delete_file", refused)
    names = [f"{number:02d}" for number in range(40)]
    for name in names:
        objects.write(name, b"x")
    with pytest.raises(StorageError, match=r"Cannot delete mock:///bucket/studies/03: no permission\. "):
        objects.delete_all(names)
    assert {"03", *names[16:]} <= set(objects.files())


def test_appending(store: Store) -> None:
    """Appending creates a missing file and extends an existing one."""
    store.append("logs/a.log", b"1")
    store.append("logs/a.log", b"2")
    assert store.read("logs/a.log") == b"12"
