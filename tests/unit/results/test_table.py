"""A table written for other programs has the values of the table."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from rich.cells import cell_len
from rich.console import Console

from pipeline.errors import UsageError
from pipeline.results.views.table import Column, Table, write_table

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
    write_table(table, form, sink)
    return sink.getvalue()


def test_csv_has_every_digit_and_nothing_where_there_is_nothing() -> None:
    flat = TABLE.drop(["list"])
    rows = list(csv.reader(io.StringIO(written("csv", flat).decode())))
    assert rows[0] == flat.column_names
    assert rows[1][:4] == ['a "b", c', "0.1234567890123", "1", "7"]
    assert rows[3][:2] == ["", ""]


def test_json_is_an_array_of_rows_with_null_for_what_is_not_finite() -> None:
    rows = json.loads(written("json", TABLE), parse_constant=pytest.fail)
    assert rows[0] == {
        "name": 'a "b", c', "value": 0.1234567890123, "count": 1, "whole": 7, "list": ["a"],
        "time": "2025-01-02T03:04:05+00:00",
    }  # fmt: skip
    assert rows[1]["value"] is None
    assert isinstance(rows[0]["whole"], int)


@pytest.mark.parametrize(
    ("form", "column"),
    [
        ("json", pa.array([2**31 - 1], pa.int32()).cast(pa.date32())),
        ("csv", pa.array([["a"]])),
        ("parquet", pa.array([(0, 1, 0)], pa.month_day_nano_interval())),
    ],
)
def test_a_value_that_a_format_does_not_know_is_refused(form: str, column: pa.Array) -> None:
    with pytest.raises(UsageError, match="column::varchar"):
        written(form, pa.table({"value": column}))


def table_of(columns: Sequence[Column], rows: Sequence[Sequence[str]], **more: Any) -> Table:
    keys = [column.key for column in columns]
    return Table("", columns, [dict(zip(keys, row, strict=True)) for row in rows], **more)


def board(parameters: int = 6) -> Table:
    fixed = [
        Column("trial", keep="whole"),
        Column("value", "val_accuracy", right=True, keep="whole"),
        Column("why", keep="wrapped"),
    ]
    columns = [*fixed, *(Column(f"p{place}", keep="extra") for place in range(parameters))]
    rows = [
        ["0000", "0.9712", "because of many things " * 3, *map(str, range(parameters))],
        ["0001", "0.9613", "so", *["x" * 90] * parameters],
    ]
    return table_of(columns, rows)


def shown(table: Table, width: int, *, terminal: bool = True) -> list[str]:
    console = Console(width=width, file=io.StringIO(), force_terminal=terminal, color_system=None)
    console.print(table)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_the_last_optional_columns_are_removed_first() -> None:
    lines = shown(board(), 118)
    assert lines[0].split() == ["trial", "val_accuracy", "why", "p0"]
    assert lines[-1] == "+5 columns (p1, p2, p3, p4, p5): a wider terminal or --json shows them."


@pytest.mark.parametrize("width", range(20, 300, 31))
def test_no_line_is_longer_than_the_terminal_is_wide(width: int) -> None:
    lines = shown(board(), width)
    assert max(map(cell_len, lines)) <= width
    assert {"0000", "0001", "0.9712", "0.9613"} <= set(" ".join(lines).split())


def test_rows_of_a_terminal_that_is_too_narrow_become_records() -> None:
    table = table_of([Column("name"), Column("text")], [["one", "x" * 90], ["two", "漢字" * 20]])
    lines = shown(table, 30)
    assert lines[:2] == ["name  one", "text  " + "x" * 24]
    assert "".join(line.split()[-1] for line in lines[1:5]).removeprefix("text") == "x" * 90
    assert "" in lines


def test_html_escapes_what_a_study_says() -> None:
    text = str(table_of([Column("a<b", right=True)], [["<script>"]]).as_html())
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert 'class="number"' in text


def test_people_see_the_first_rows_and_programs_all() -> None:
    table = Table("t", [Column("a")], [{"a": float("nan")}, {"a": 2}, {"a": 3}], most=1)
    assert shown(table, 80)[-1].startswith("… and 2 more")
    assert [row["a"] for row in table.as_object()["rows"]] == [None, 2, 3]


def test_a_table_without_rows_is_its_sentence() -> None:
    assert shown(Table("title", [Column("a")], [], "none."), 80) == ["title", "none."]
