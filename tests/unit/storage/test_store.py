"""Files under one URI."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import StorageError
from pipeline.storage import Store
from pipeline.storage.schema import arrow_schema


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty storage on this machine."""
    return Store(tmp_path / "studies")


def _names(store: Store, folder: str = "") -> list[str]:
    """Everything that lies in a folder, hidden or not."""
    assert store.local is not None
    return sorted(path.name for path in (store.local / folder).iterdir())


def _part(number: int, **columns: list) -> pa.Table:
    return pa.table({"number": [number], **columns})


def test_what_is_written_is_read(store: Store) -> None:
    """Text, bytes and pieces come back whole, and the size is told."""
    assert store.write("a/b/c.bin", [b"12", memoryview(b"345")]) == 5
    store.write("a/text", "ö")
    assert store.read("a/b/c.bin") == b"12345"
    assert store.read_text("a/text") == "ö"
    assert store.files() == ["a/b/c.bin", "a/text"]
    assert store.sizes("a/b") == [("a/b/c.bin", 5)]
    assert store.folders() == ["a"]
    assert store.folder("a").files() == ["b/c.bin", "text"]


def test_what_is_not_there(store: Store) -> None:
    """A missing file cannot be read; listing and deleting what is missing is no error."""
    with pytest.raises(FileNotFoundError):
        store.read("no")
    with pytest.raises(FileNotFoundError):
        store.read_table("epochs")
    store.delete("no")
    store.delete_folder("no")
    assert (store.files(), store.folders(), store.exists("no")) == ([], [], False)


def test_a_failed_write_leaves_the_old_file(store: Store) -> None:
    """Whoever reads sees the old content until the new one is whole, and nothing is left of the attempt."""
    store.write("a", b"old")

    def pieces() -> Iterator[bytes]:
        yield b"new"
        assert store.read("a") == b"old"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write("a", pieces())
    assert store.read("a") == b"old"
    assert _names(store) == ["a"]


def test_an_unfinished_file_is_not_listed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a file is written, and after its writer was killed, only its temporary name exists, which is hidden."""
    seen = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append((store.files(), _names(store, "epochs"))))
    store.write("epochs/part-1.parquet", b"x")
    (files, names) = seen[0]
    assert files == []
    assert len(names) == 1
    assert not names[0].endswith(".parquet")


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a/.."])
def test_no_path_leads_out(store: Store, path: str) -> None:
    """A path that leaves the storage is refused by every method."""
    for call in (store.read, store.delete, store.delete_folder, store.exists, store.files, store.folder):
        with pytest.raises(StorageError, match="leads out"):
            call(path)
    with pytest.raises(StorageError, match="leads out"):
        store.write(path, b"")


@pytest.mark.parametrize("uri", ["nope://x", "s3:/bucket/key", "~nobody-of-that-name/x"])
def test_a_place_that_cannot_be_used(uri: str) -> None:
    """A URI nobody knows is refused at once, by name."""
    with pytest.raises(StorageError, match="cannot be used"):
        Store(uri)


def test_a_file_where_a_folder_should_be(store: Store) -> None:
    """What the system says comes with the path and with what to do."""
    store.write("a", b"")
    with pytest.raises(StorageError, match=r"Cannot write .*/a/b: File exists\. .*choose another place with --storage"):
        store.write("a/b", b"")


def test_a_read_only_folder() -> None:
    """Where writing is not permitted the error says so; root, who may write anywhere, becomes nobody for this."""
    code = (
        "import os, sys\n"
        "from pipeline.errors import StorageError\n"
        "from pipeline.storage import Store\n"
        "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: Store(sys.argv[1]).write('a', b'x')\n"
        "except StorageError as error: print(error)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True, cwd=".")
        assert done.stdout.startswith(f"Cannot write {folder}/a: Permission denied. ")
        assert "choose another place with --storage." in done.stdout
        assert _names(Store(folder)) == []


def test_parts_are_one_table(store: Store) -> None:
    """Columns are united by name, whole numbers and floats too; other files in the folder are passed over."""
    store.write_table("rows/part-1.parquet", _part(1, loss=[1]))
    store.write_table("rows/part-2.parquet", _part(2, loss=[0.5], extra=["x"]))
    store.write("rows/notes.txt", "no part")
    table = store.read_table("rows")
    assert table.to_pydict() == {"number": [1, 2], "loss": [1.0, 0.5], "extra": [None, "x"]}


def test_parts_that_do_not_fit_together(store: Store) -> None:
    """A column that is text here and a number there cannot be united, which is told without a traceback of Arrow's."""
    store.write_table("rows/part-1.parquet", _part(1, loss=[0.5]))
    store.write_table("rows/part-2.parquet", _part(2, loss=["x"]))
    with pytest.raises(StorageError, match=r"rows/part-2\.parquet in .* does not fit the other parts.*move it out"):
        store.read_table("rows")


def test_reading_while_parts_are_compacted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the listed parts are gone before they are read, the folder is read again: nothing is lost or doubled."""
    for number in (1, 2):
        store.write_table(f"rows/part-{number}.parquet", _part(number))
    read = Store._read_part
    compacted = []

    def read_after_compaction(self: Store, path: str) -> pa.Table:
        if not compacted:
            compacted.append(path)
            store.write_table("rows/all.parquet", pa.concat_tables([_part(1), _part(2)]))
            for number in (1, 2):
                store.delete(f"rows/part-{number}.parquet")
        return read(self, path)

    monkeypatch.setattr(Store, "_read_part", read_after_compaction)
    assert store.read_table("rows").to_pydict() == {"number": [1, 2]}


def test_parts_that_never_stay(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading gives up after some tries instead of trying for ever."""
    monkeypatch.setattr(Store, "files", lambda *_: ["rows/gone.parquet"])
    with pytest.raises(StorageError, match="change faster"):
        store.read_table("rows")


@pytest.mark.parametrize("version", ["2", "99", "x", "-1", ""])
def test_an_unknown_schema_version_is_refused(store: Store, version: str) -> None:
    """A part of a newer tunepipe is refused, naming both versions."""
    table = _part(1).replace_schema_metadata({"schema_version": version})
    store.write_table("rows/part-1.parquet", table)
    with pytest.raises(StorageError, match=f"schema version {version}; this tunepipe reads up to 1"):
        store.read_table("rows")


def test_a_schema_version_is_written(store: Store) -> None:
    """A table made by the schema can be read back, and by anyone else's Parquet reader."""
    store.write_table("decisions/part-1.parquet", arrow_schema("decisions", {}).empty_table())
    assert store.read_table("decisions").num_rows == 0
    written = pq.read_schema(store.local / "decisions/part-1.parquet")
    assert written.metadata[b"schema_version"] == b"1"


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no Parquet at all"])
def test_a_part_that_is_not_parquet(store: Store, content: bytes) -> None:
    """A broken part is named."""
    store.write("rows/part-1.parquet", content)
    with pytest.raises(StorageError, match=r"rows/part-1\.parquet in .* is not a whole Parquet file"):
        store.read_table("rows")


def test_a_store_that_is_not_local() -> None:
    """Another file system of pyarrow's does the same without temporary names."""
    store = Store("mock:///bucket/studies")
    store._fs.create_dir("bucket/studies/a", recursive=True)
    assert store.local is None
    assert store.write("a/b", b"123") == 3
    store.append("a/b", b"45")
    assert (store.read("a/b"), store.sizes()) == (b"12345", [("a/b", 5)])
    store.delete("a/b")
    assert store.files() == []


def test_appending(store: Store) -> None:
    """Appending makes the file where there is none, and adds to it."""
    store.append("logs/a.log", b"1")
    store.append("logs/a.log", b"2")
    assert store.read("logs/a.log") == b"12"


@pytest.mark.parametrize("table", ["epochs", "decisions"])
@pytest.mark.parametrize(
    "columns", [{"a": [1]}, {"trial_id": [7], "session": [1], "number": [1], "attempt": [1], "epoch": [1]}]
)
def test_a_strangers_file_among_the_parts(store: Store, table: str, columns: dict[str, list]) -> None:
    """A Parquet file of something else is named, with what to do; moved away, the rest can be read."""
    own = pa.Table.from_pylist([], schema=arrow_schema(table, {}))
    store.write_table(f"{table}/part-0001-000001.parquet", own)
    store.write_table(f"{table}/export.parquet", pa.table(columns))

    with pytest.raises(StorageError, match=rf"{table}/export\.parquet in .* lacks the columns .*move it out"):
        store.read_table(table)
    store.delete(f"{table}/export.parquet")
    assert store.read_table(table).num_rows == 0
