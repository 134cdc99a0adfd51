"""A table as a person or another program reads it: text, CSV, JSON, Markdown, Parquet."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from rich.table import Table
from rich.text import Text

from pipeline.errors import UsageError
from pipeline.legible import legible
from pipeline.results.numbers import format_value
from pipeline.storage.parquet import to_parquet

__all__ = ["FORMATS", "SUFFIXES", "text_table"]

_CELL = 60
"""Characters: a longer text is cut on a terminal; the other formats have it whole."""


def text_table(table: pa.Table) -> Table:
    """A table for a terminal.

    Args:
        table: Any columns.
    """
    told = Table(box=None, header_style="bold", pad_edge=False)
    for field in table.schema:
        number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_decimal(field.type)
        told.add_column(Text(legible(field.name)), justify="right" if number else "left")
    for row in _rows(table):
        told.add_row(*(Text(_cut(_cell(value))) for value in row))
    return told


def _as_csv(table: pa.Table) -> bytes:
    columns = [_flat(column) for column in table.columns]
    sink = pa.BufferOutputStream()
    csv.write_csv(pa.Table.from_arrays(columns, names=table.column_names), sink)
    return bytes(memoryview(sink.getvalue()))


def _as_json(table: pa.Table) -> bytes:
    names = table.column_names
    rows = [{name: _plain(value) for name, value in zip(names, row, strict=True)} for row in _rows(table)]
    return (json.dumps(rows, allow_nan=False, ensure_ascii=False) + "\n").encode(errors="backslashreplace")


def _as_markdown(table: pa.Table) -> bytes:
    numbers = [pa.types.is_integer(field.type) or pa.types.is_floating(field.type) for field in table.schema]
    rows = [table.column_names, ["---:" if number else "---" for number in numbers]]
    rows += [[_cell(value) for value in row] for row in _rows(table)]
    escaped = ([" ".join(cell.split()).replace("|", r"\|") for cell in row] for row in rows)
    return "".join(f"| {' | '.join(row)} |\n" for row in escaped).encode(errors="backslashreplace")


FORMATS: Mapping[str, Callable[[pa.Table], bytes | memoryview]] = {
    "csv": _as_csv,
    "json": _as_json,
    "markdown": _as_markdown,
    "parquet": to_parquet,
}
"""What a table can be written as, beside the text on a terminal."""

SUFFIXES = {".csv": "csv", ".json": "json", ".md": "markdown", ".markdown": "markdown", ".parquet": "parquet"}
"""What a file's name says of what is to be written into it."""


def _flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column that CSV can hold: what has parts becomes JSON, and no number is written as `nan`."""
    if pa.types.is_floating(column.type):
        return pc.if_else(pc.is_nan(column), None, column)
    if pa.types.is_nested(column.type) or pa.types.is_duration(column.type) or pa.types.is_interval(column.type):
        cells = [None if value is None else json.dumps(_plain(value)) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(cells, pa.string())])
    return column


def _rows(table: pa.Table) -> list[tuple[Any, ...]]:
    """Rows of Python's values."""
    try:
        columns = [column.to_pylist() for column in table.columns]
    except (OverflowError, ValueError) as error:
        # SQL has years behind 9999 and an infinite date; Python has neither.
        raise UsageError(
            f"The answer holds a time that cannot be shown ({error}). Take the years 1 to 9999, or make a text of its "
            "column: column::varchar."
        ) from None
    return list(zip(*columns, strict=True))


def _plain(value: Any) -> Any:
    """A value as JSON has it; what is not finite is null."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case dict():
            return {str(name): _plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case None | bool() | int() | str():
            return value
    return str(value)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, float):
        return format_value(value)
    plain = _plain(value)
    return json.dumps(plain) if isinstance(plain, dict | list) else format_value(plain)


def _cut(text: str) -> str:
    first = text.split("\n")[0]
    return first if len(first) <= _CELL and first == text else first[: _CELL - 1] + "…"
