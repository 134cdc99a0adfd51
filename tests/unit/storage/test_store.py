"""Files under one URI."""

import tempfile
from pathlib import Path

import pyarrow as pa
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


def _part(number: int, **columns: list) -> pa.Table:
    return pa.table({"number": [number], **columns})


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


def test_missing_files_cannot_be_read_and_need_no_deletion(store: Store) -> None:
    """Reading a missing file fails, and listing or deleting missing files is not an error."""
    with pytest.raises(FileNotFoundError):
        store.read("no")
    with pytest.raises(FileNotFoundError):
        store.read_table("epochs")
    store.delete("no")
    store.delete_empty_folders()
    assert (store.files(), store.folders(), store.exists("no")) == ([], [], False)


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


def test_parts_are_one_table(store: Store) -> None:
    """Parts are united by column name, also integers and floats, and other files in the folder are ignored."""
    store.write_table("rows/part-1.parquet", _part(1, loss=[1]))
    store.write_table("rows/part-2.parquet", _part(2, loss=[0.5], extra=["x"]))
    store.write("rows/notes.txt", "no part")
    table = store.read_table("rows")
    assert table.to_pydict() == {"number": [1, 2], "loss": [1.0, 0.5], "extra": [None, "x"]}


def test_parts_that_do_not_fit_together_are_reported(store: Store) -> None:
    """Parts with a column of different types are reported without a traceback of Arrow."""
    store.write_table("rows/part-1.parquet", _part(1, loss=[0.5]))
    store.write_table("rows/part-2.parquet", _part(2, loss=["x"]))
    with pytest.raises(StorageError, match=r"rows/part-2\.parquet in .* does not fit the other parts.*move it out"):
        store.read_table("rows")


@pytest.mark.parametrize("version", ["2", "99", "x", "-1", ""])
def test_an_unknown_schema_version_is_refused(store: Store, version: str) -> None:
    """A part of a newer tunepipe is refused, naming both versions."""
    table = _part(1).replace_schema_metadata({"schema_version": version})
    store.write_table("rows/part-1.parquet", table)
    with pytest.raises(StorageError, match=f"schema version {version}; this tunepipe reads up to 1"):
        store.read_table("rows")


def test_a_schema_version_is_written(store: Store) -> None:
    """A table of the schema is readable, with its schema version, by any Parquet reader."""
    store.write_table("decisions/part-1.parquet", arrow_schema("decisions", {}).empty_table())
    assert store.read_table("decisions").num_rows == 0
    written = pq.read_schema(store.local / "decisions/part-1.parquet")
    assert written.metadata[b"schema_version"] == b"1"


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no Parquet at all"])
def test_a_part_that_is_not_parquet_is_reported(store: Store, content: bytes) -> None:
    """A part that is not a Parquet file is reported with its name."""
    store.write("rows/part-1.parquet", content)
    with pytest.raises(StorageError, match=r"rows/part-1\.parquet in .* is not a complete Parquet file"):
        store.read_table("rows")


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


@pytest.mark.parametrize("table", ["epochs", "decisions"])
@pytest.mark.parametrize(
    "columns", [{"a": [1]}, {"trial_id": [7], "session": [1], "number": [1], "attempt": [1], "epoch": [1]}]
)
def test_a_strangers_file_among_the_parts(store: Store, table: str, columns: dict[str, list]) -> None:
    """A Parquet file of another origin is reported with a remedy; once it is moved, the others can be read."""
    own = pa.Table.from_pylist([], schema=arrow_schema(table, {}))
    store.write_table(f"{table}/part-0001-000001.parquet", own)
    store.write_table(f"{table}/export.parquet", pa.table(columns))

    with pytest.raises(StorageError, match=rf"{table}/export\.parquet in .* lacks the columns .*move it out"):
        store.read_table(table)
    store.delete(f"{table}/export.parquet")
    assert store.read_table(table).num_rows == 0


def test_the_end_of_a_file_is_read_alone(store: Store) -> None:
    """The last bytes of a file are read with the number of bytes before them, and a shorter file completely."""
    store.write("logs/0000.log", b"0123456789")
    assert store.read_end("logs/0000.log", 4) == (b"6789", 6)
    assert store.read_end("logs/0000.log", 100) == (b"0123456789", 0)
    with pytest.raises(FileNotFoundError):
        store.read_end("logs/0001.log", 4)


def test_a_large_file_is_read_in_pieces(store: Store) -> None:
    """The pieces of a large file add up to its content, and none is larger than a megabyte."""
    content = bytes(range(256)) * 10_000
    store.write("checkpoints/0000/000001.ckpt", content)
    pieces = list(store.pieces("checkpoints/0000/000001.ckpt"))
    assert b"".join(pieces) == content
    assert len(pieces) == 3
