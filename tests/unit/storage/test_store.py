"""Files under one URI."""

import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.errors import StorageError, Superseded
from pipeline.storage import Store
from pipeline.storage.schema import arrow_schema
from tests.bucket import Bucket
from tests.processes import printed_without_privileges


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "studies")


def _names(store: Store, folder: str = "") -> list[str]:
    assert store.local is not None
    return sorted(path.name for path in (store.local / folder).iterdir())


def test_written_content_is_read(store: Store) -> None:
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
    for call in (store.read, store.delete, store.exists, store.files, store.folder):
        with pytest.raises(StorageError, match="leads out"):
            call(path)
    with pytest.raises(StorageError, match="leads out"):
        store.write(path, b"")


def test_a_read_only_folder_is_reported() -> None:
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
    store.write_table("decisions/part-1.parquet", arrow_schema("decisions", {}).empty_table())
    assert store.read_table("decisions").num_rows == 0
    written = pq.read_schema(store.local / "decisions/part-1.parquet")
    assert written.metadata[b"schema_version"] == b"1"


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    bucket = Bucket(tmp_path / "bucket")
    monkeypatch.setattr("pipeline.storage.store.file_system", lambda _: (bucket, "bucket/studies"))
    return Store("mock:///bucket/studies")


@pytest.mark.parametrize("kind", ["store", "objects"])
def test_many_files_are_deleted(request: pytest.FixtureRequest, kind: str) -> None:
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
