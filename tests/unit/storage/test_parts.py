"""The parts of a table, which are read as one."""

import pyarrow as pa
import pytest

from pipeline.errors import StorageError
from pipeline.storage.parquet_tables import to_parquet
from pipeline.storage.parts import read_parts


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
