"""The parts of a table, which are read as one."""

import pyarrow as pa
import pytest

from pipeline.errors import StorageError
from pipeline.storage.parquet_tables import parquet_pieces, to_parquet
from pipeline.storage.parts import Parts, read_parts, united


def _part(**columns: list) -> bytes:
    return bytes(to_parquet(pa.table(columns)))


def _read(files: dict[str, bytes], path: str = "rows") -> pa.Table:
    def read(name: str) -> bytes:
        if name not in files:
            raise FileNotFoundError(name)
        return files[name]

    return read_parts(path, "the store", lambda folder: [name for name in files if name.startswith(folder)], read)


def test_columns_are_united_by_name() -> None:
    """Columns are united by name, integers with floats as floats, missing ones as null; other files are ignored."""
    files = {
        "rows/1.parquet": _part(n=[1], loss=[1]),
        "rows/2.parquet": _part(n=[2], loss=[0.5], extra=["x"]),
        "rows/notes.txt": b"no part",
    }
    assert _read(files).to_pydict() == {"n": [1, 2], "loss": [1.0, 0.5], "extra": [None, "x"]}
    assert _read(files, "rows/1.parquet").to_pydict() == {"n": [1], "loss": [1]}


def test_a_table_without_a_part_does_not_exist() -> None:
    """A table without parts, and a missing file, do not exist."""
    for path in ("rows", "rows/1.parquet"):
        with pytest.raises(FileNotFoundError):
            _read({}, path)


def test_the_part_that_does_not_fit_is_named() -> None:
    """A part that does not fit is reported with a remedy and without a traceback of Arrow."""
    files = {"rows/1.parquet": _part(loss=[0.5]), "rows/2.parquet": _part(loss=["x"])}
    with pytest.raises(StorageError, match=r"^rows/2\.parquet in the store does not fit the other parts.*move it out"):
        _read(files)
    with pytest.raises(StorageError, match=r"^rows/3\.parquet in the store is not a complete Parquet file"):
        _read({**files, "rows/3.parquet": b"PAR1"}, "rows/3.parquet")


def test_parts_that_are_compacted_meanwhile_are_listed_again() -> None:
    """If parts are compacted during a read they are listed again, without loss or repetition, a few times."""
    compacted = {"rows/all.parquet": _part(n=[1, 2])}
    listings = [["rows/1.parquet", "rows/2.parquet"], ["rows/all.parquet"]]

    def read(name: str) -> bytes:
        if name not in compacted:
            raise FileNotFoundError(name)
        return compacted[name]

    assert read_parts("rows", "s", lambda _: listings.pop(0), read).to_pydict() == {"n": [1, 2]}
    with pytest.raises(StorageError, match="change faster than they can be read"):
        read_parts("rows", "s", lambda _: ["rows/gone.parquet"], read)


def test_parts_are_read_a_group_at_a_time() -> None:
    """Parts are read group by group with any of their columns, from memory as far as there is room for them."""
    table = pa.table({"n": [1, 2], "t": ["a", "b"]})
    files = {
        "rows/1.parquet": b"".join(parquet_pieces(table.schema, [table.slice(0, 1), table.slice(1)])),
        "rows/2.parquet": _part(n=[0.5], extra=["x"]),
        "rows/notes.txt": b"no part",
    }
    read: list[str] = []

    def content(name: str) -> bytes:
        read.append(name)
        return files[name]

    for room, times in ((0, 4), (len(files["rows/1.parquet"]), 1)):
        read.clear()
        parts = Parts("rows", "s", lambda _: list(files), content, kept=room)
        assert parts.groups == [("rows/1.parquet", 0), ("rows/1.parquet", 1), ("rows/2.parquet", 0)]
        assert parts.empty.schema.equals(pa.schema([("n", pa.float64()), ("t", pa.string()), ("extra", pa.string())]))
        rows = [pa.concat_tables(parts.rows(group)).to_pydict() for group in parts.groups]
        assert rows == [{"n": [1], "t": ["a"]}, {"n": [2], "t": ["b"]}, {"n": [0.5], "extra": ["x"]}]
        assert pa.concat_tables(parts.rows(parts.groups[0], ["t"])).to_pydict() == {"t": ["a"]}
        assert read.count("rows/1.parquet") == times


def test_parts_that_do_not_fit_are_refused_before_they_are_read() -> None:
    """A folder without parts has no groups; a part that does not fit the others, or is damaged, is named at once."""
    assert Parts("rows", "s", lambda _: [], {}.__getitem__).groups == []
    files = {"rows/1.parquet": _part(loss=[0.5]), "rows/2.parquet": _part(loss=["x"]), "rows/3.parquet": b"PAR1"}
    for names, what in ((2, r"rows/2\.parquet in s does not fit"), (3, r"rows/3\.parquet in s is not a complete")):
        with pytest.raises(StorageError, match=what):
            Parts("rows", "s", lambda _, names=names: list(files)[:names], files.__getitem__)


def test_tables_are_united_by_name() -> None:
    """Tables become one with the columns of all; the first that does not fit is named."""
    tables = [pa.table({"n": [1]}), pa.table({"n": [0.5], "m": ["x"]})]
    assert united(["a", "b"], tables, "s").to_pydict() == {"n": [1.0, 0.5], "m": [None, "x"]}
    with pytest.raises(StorageError, match=r"^b in s does not fit the other parts"):
        united(["a", "b"], [tables[0], pa.table({"n": ["x"]})], "s")
