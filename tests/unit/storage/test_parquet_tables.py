"""Tables as Parquet files."""

import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st

from pipeline.errors import StorageError
from pipeline.storage.parquet_tables import (
    ParquetPart,
    from_parquet,
    invalid_part,
    mismatched_part,
    parquet_pieces,
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


def test_tables_become_groups_of_one_file() -> None:
    """Tables that are made one after the other become groups of rows of one file; those without rows leave no group."""
    taken = []

    def tables() -> Iterator[pa.Table]:
        for first in (0, 300, 1000, 300):
            yield TABLE.slice(first, 300)
            taken.append(len(pieces))

    pieces: list[bytes] = []
    for piece in parquet_pieces(TABLE.schema, tables()):
        pieces.append(piece)
    content = b"".join(pieces)
    assert from_parquet(content, "it").equals(pa.concat_tables([TABLE.slice(0, 600), TABLE.slice(300, 300)]))
    assert ParquetPart(content, "it").groups == 3
    # What is written of a table is taken before the next one is made.
    assert taken[0] > 0
    assert taken[1] > taken[0]
    assert from_parquet(b"".join(parquet_pieces(TABLE.schema, [])), "it").equals(TABLE.slice(0, 0))


def test_some_rows_and_columns_of_a_file_are_read() -> None:
    """The groups of a file are read one by one, with all columns or with those that are wanted and there."""
    part = ParquetPart(b"".join(parquet_pieces(TABLE.schema, [TABLE.slice(0, 10), TABLE.slice(10, 5)])), "it")
    assert part.schema.equals(TABLE.schema)
    assert part.read().equals(TABLE.slice(0, 15))
    assert pa.concat_tables(part.batches(0)).equals(TABLE.slice(0, 10))
    assert pa.concat_tables(part.batches(1, ["text", "none"])).equals(TABLE.select(["text"]).slice(10, 5))
    content = bytearray(to_parquet(TABLE))
    content[10] ^= 0x40
    damaged = ParquetPart(bytes(content), "a.parquet")
    with pytest.raises(StorageError, match=r"^a\.parquet is not a complete Parquet file"):
        list(damaged.batches(0))


def test_a_cut_off_file_is_reported_in_whole_sentences() -> None:
    """The reason of Arrow that ends in a full stop, as for a file that was cut off, gets no second one."""
    with pytest.raises(
        StorageError, match=r"^a\.parquet is not a complete Parquet file: .*[^.]\. If another"
    ) as raised:
        from_parquet(bytes(to_parquet(TABLE))[:100], "a.parquet")
    assert ".." not in str(raised.value)


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
