"""A table for a terminal or another program: text, CSV, JSON, Parquet."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
from pyarrow import csv

from pipeline.errors import UsageError
from pipeline.results.views.table import Column, Table, plain
from pipeline.storage.schema import write_parquet


def text_table(table: pa.Table) -> Table:
    """A table for a terminal."""
    columns = [Column(field.name, field.name or " ", right=_is_number(field.type)) for field in table.schema]
    return Table("", columns, _rows(table))


def write_table(table: pa.Table, form: str, sink: Any) -> None:
    """Write a table into a file, in one of `FORMATS`."""
    try:
        FORMATS[form](table, sink)
    except pa.ArrowException as error:
        raise _without_form(form, error) from None


def _write_json(table: pa.Table, sink: Any) -> None:
    sink.write((json.dumps(plain(_rows(table)), allow_nan=False) + "\n").encode())


FORMATS: Mapping[str, Callable[[pa.Table, Any], Any]] = {
    "csv": csv.write_csv,
    "json": _write_json,
    "parquet": lambda table, sink: write_parquet(table.schema, table.to_batches(), sink),
}
"""The formats of tables, besides the text on a terminal."""


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = table.to_pylist()
    except (OverflowError, ValueError) as error:
        # SQL has years behind 9999 and an infinite date; Python has neither.
        raise _without_form("text", error) from None
    return rows


def _without_form(form: str, error: Exception) -> UsageError:
    return UsageError(f"A value of the result cannot be written as {form}: {error}. Convert it: column::varchar.")
