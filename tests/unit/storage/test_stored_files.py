"""Files under one URI, as they are read."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import fs

from pipeline.errors import StorageError
from pipeline.storage import Store
from pipeline.storage.schema import arrow_schema


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty storage on this machine."""
    return Store(tmp_path / "studies")


def _part(number: int, **columns: list) -> pa.Table:
    return pa.table({"number": [number], **columns})


def test_missing_files_cannot_be_read_and_need_no_deletion(store: Store) -> None:
    """Reading a missing file fails, and listing or deleting missing files is not an error."""
    with pytest.raises(FileNotFoundError):
        store.read("no")
    with pytest.raises(FileNotFoundError):
        store.read_table("epochs")
    store.delete("no")
    store.delete_empty_folders()
    assert (store.files(), store.folders(), store.exists("no")) == ([], [], False)


def test_a_copy_is_in_another_place(store: Store, tmp_path: Path) -> None:
    """A folder that is renamed, or named through a link, stays in its place, and a copy is in another one."""
    store.write("a", "1")
    place = store.place
    shutil.copytree(tmp_path / "studies", tmp_path / "copy")
    (tmp_path / "studies").rename(tmp_path / "renamed")
    (tmp_path / "link").symlink_to(tmp_path / "renamed")
    assert (
        Store(tmp_path / "renamed").place == Store(tmp_path / "link").place == place != Store(tmp_path / "copy").place
    )
    with pytest.raises(FileNotFoundError):
        _ = store.place


@pytest.mark.parametrize("uri", ["s3://bucket/studies?region=eu", "s3://KEY:SECRET@bucket/studies"])
def test_a_bucket_is_a_place_whatever_its_uri(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    """The place of a prefix is its path with the bucket, without options and keys of the URI."""
    system = fs.FileSystem.from_uri("mock:///bucket/studies")
    monkeypatch.setattr("pipeline.storage.location.file_system", lambda _: system)
    assert Store(uri).folder("a").place == "bucket/studies/a"


def test_parts_are_one_table(store: Store) -> None:
    """Parts are united by column name, also integers and floats, and other files in the folder are ignored."""
    store.write_table("rows/part-1.parquet", _part(1, loss=[1]))
    store.write_table("rows/part-2.parquet", _part(2, loss=[0.5], extra=["x"]))
    store.write("rows/notes.txt", "no part")
    table = store.read_table("rows")
    assert table.to_pydict() == {"number": [1, 2], "loss": [1.0, 0.5], "extra": [None, "x"]}


def test_parts_are_read_a_few_rows_at_a_time(store: Store) -> None:
    """The parts of a folder are read group by group, and a folder that does not exist has none."""
    assert store.parts("rows").groups == []
    store.write_table("rows/part-1.parquet", _part(1))
    parts = store.parts("rows")
    assert [pa.concat_tables(parts.rows(group)).to_pydict() for group in parts.groups] == [{"number": [1]}]


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


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no Parquet at all"])
def test_a_part_that_is_not_parquet_is_reported(store: Store, content: bytes) -> None:
    """A part that is not a Parquet file is reported with its name."""
    store.write("rows/part-1.parquet", content)
    with pytest.raises(StorageError, match=r"rows/part-1\.parquet in .* is not a complete Parquet file"):
        store.read_table("rows")


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
