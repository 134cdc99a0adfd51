"""Tables as Parquet files."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st

from pipeline.errors import StorageError
from pipeline.storage.parquet_tables import (
    from_parquet,
    invalid_part,
    mismatched_part,
    part_of,
    to_parquet,
    write_parquet,
)
from pipeline.storage.schema import KEYS, arrow_schema

TABLE = pa.table({"number": list(range(1000)), "text": ["x"] * 1000})


@given(
    rows=st.lists(
        st.fixed_dictionaries({"a": st.none() | st.integers(-(2**63), 2**63 - 1), "b": st.floats(allow_nan=False)})
    )
)
def test_a_table_is_equal_after_writing_and_reading(rows: list[dict]) -> None:
    """A table is equal after writing and reading, including missing values."""
    table = pa.Table.from_pylist(rows, schema=pa.schema([("a", pa.int64()), ("b", pa.float64())]))
    assert from_parquet(bytes(to_parquet(table)), "it").equals(table)


def test_batches_are_one_file(tmp_path: Path) -> None:
    """Batches that are written one by one form one table, on a path or in an open file."""
    write_parquet(TABLE.schema, TABLE.to_batches(max_chunksize=300), tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").equals(TABLE)
    sink = io.BytesIO()
    write_parquet(TABLE.schema, TABLE.to_batches(), sink)
    assert from_parquet(sink.getvalue(), "it").equals(TABLE)


def test_a_changed_byte_gives_no_wrong_value() -> None:
    """A table with a changed byte is refused or equals the written one, because each page has a checksum."""
    whole, refused = bytearray(to_parquet(TABLE)), 0
    places = range(0, len(whole), 41)
    for place in places:
        damaged = whole.copy()
        damaged[place] ^= 0x40
        try:
            read = from_parquet(bytes(damaged), "it")
        except StorageError:
            refused += 1
        else:
            assert read.equals(TABLE)
    assert refused > len(places) / 2


def test_a_part_has_the_keys_of_its_table() -> None:
    """A part without a key column of its table is refused with that column; other folders may hold any table."""
    whole = arrow_schema("epochs", {}).empty_table()
    assert part_of("epochs/part-1.parquet", whole, "uri") is whole
    key = KEYS["epochs"][0]
    with pytest.raises(StorageError, match=f"^epochs/part-1.parquet in uri .* lacks the columns {key}. "):
        part_of("epochs/part-1.parquet", whole.drop_columns([key]), "uri")
    with pytest.raises(StorageError, match=f"lacks the columns {key}"):
        part_of(
            "epochs.parquet", whole.set_column(whole.schema.get_field_index(key), key, pa.array([], pa.binary())), "uri"
        )
    assert part_of("notes/any.parquet", TABLE, "uri") is TABLE


def test_the_part_that_does_not_fit_is_found() -> None:
    """The first part whose columns conflict with earlier ones is found; integers and floats do not conflict."""
    parts = [pa.table({"loss": values}) for values in ([1], [0.5], ["x"], ["y"])]
    assert mismatched_part(["a", "b", "c", "d"], parts) == "c"


def test_a_file_that_is_no_part_is_described() -> None:
    """A file that is not a part is reported with the file, the study and a remedy."""
    text = str(invalid_part("epochs/x.parquet", "file:///s", "is of something else"))
    assert text.startswith(
        "epochs/x.parquet in file:///s is of something else. If another program wrote it, move it out"
    )
