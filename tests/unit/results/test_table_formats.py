"""A table written for other programs has the values of the table."""

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from pipeline.errors import UsageError
from pipeline.results.views.table_formats import FORMATS, text_table

TABLE = pa.table(
    {
        "name": ['a "b", c', "x|y\nz", None],
        "value": pa.array([0.1234567890123, float("nan"), None]),
        "count": pa.array([1, None, 3]),
        "whole": pa.array([Decimal(7), None, Decimal(9)], pa.decimal128(38, 0)),
        "list": [["a"], [], None],
        "time": pa.array([datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC), None, None]),
    }
)


def written(form: str, table: pa.Table) -> bytes:
    sink = io.BytesIO()
    FORMATS[form](table.schema, table.to_batches(max_chunksize=2), sink)
    return sink.getvalue()


def test_csv_has_every_digit_and_nothing_where_there_is_nothing() -> None:
    rows = list(csv.reader(io.StringIO(written("csv", TABLE).decode())))
    assert rows[0] == TABLE.column_names
    assert rows[1][:5] == ['a "b", c', "0.1234567890123", "1", "7", '["a"]']
    assert rows[2][:4] == ["x|y\nz", "", "", ""]


def test_json_is_an_array_of_rows_with_null_for_what_is_not_finite() -> None:
    rows = json.loads(written("json", TABLE), parse_constant=pytest.fail)
    assert rows[0] == {
        "name": 'a "b", c', "value": 0.1234567890123, "count": 1, "whole": 7, "list": ["a"],
        "time": "2025-01-02T03:04:05+00:00",
    }  # fmt: skip
    assert rows[1]["value"] is None
    assert isinstance(rows[0]["whole"], int)


def test_markdown_is_one_line_to_a_row() -> None:
    lines = written("markdown", TABLE).decode().splitlines()
    assert len(lines) == 5
    assert lines[1].split(" | ")[1] == "---:"
    assert r"x\|y\nz" in lines[3]


def test_infinite_values_are_shown_where_they_are_read() -> None:
    table = pa.table({"value": [float("inf"), float("-inf"), float("nan"), 0.5]})
    console = Console(width=20, file=io.StringIO())
    console.print(text_table(table))
    assert console.file.getvalue().split() == ["value", "inf", "-inf", "–", "0.5"]  # type: ignore[attr-defined]
    assert written("markdown", table).decode().split()[7::3] == ["inf", "-inf", "–", "0.5"]
    assert written("csv", table).decode().split() == ['"value"', "inf", "-inf", "0.5"]
    assert [row["value"] for row in json.loads(written("json", table))] == [None, None, None, 0.5]


@pytest.mark.parametrize("form", ["json", "markdown"])
def test_a_time_beyond_pythons_range_is_refused(form: str) -> None:
    table = pa.table({"day": pa.array([2**31 - 1], pa.int32()).cast(pa.date32())})
    with pytest.raises(UsageError, match="column::varchar"):
        written(form, table)


def test_parquet_holds_the_table() -> None:
    back = pq.read_table(pa.BufferReader(written("parquet", TABLE)))
    assert back.drop(["value"]).equals(TABLE.drop(["value"]))


def test_a_terminal_gets_no_control_characters_and_no_long_cells() -> None:
    console = Console(width=200, file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(text_table(pa.table({"\x1b[31m": ["\x1b[2J", "x" * 500]})))
    reported = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b" not in reported
    assert "x" * 61 not in reported


def test_columns_of_one_name_are_all_written() -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], names=["a", "a_1", "a"])
    expected = {"a": 1, "a_1": 2, "a_2": 3}
    assert json.loads(written("json", table)) == [expected]
    assert pq.read_table(io.BytesIO(written("parquet", table))).to_pylist() == [expected]


def test_bytes_are_text() -> None:
    table = pa.table({"bytes": [b"x", b"\x05\xfd", None]})
    texts = ["x", "\x05\\xfd", None]
    assert [row["bytes"] for row in json.loads(written("json", table))] == texts
    assert list(csv.reader(io.StringIO(written("csv", table).decode())))[1:] == [["x"], ["\x05\\xfd"], []]


def test_a_column_that_parquet_does_not_know_is_refused() -> None:
    table = pa.table({"span": pa.array([(0, 1, 0)], pa.month_day_nano_interval())})
    with pytest.raises(UsageError, match=r"Parquet has no form .* column::varchar"):
        written("parquet", table)
