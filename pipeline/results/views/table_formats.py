"""A table for a terminal or another program: text, CSV, JSON, Markdown, Parquet; all except text batch by batch."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, count
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from pipeline.errors import UsageError
from pipeline.results.views.table import Column, Table, cell_text, plain
from pipeline.storage.parquet import write_parquet
from pipeline.text import escaped_json

Batches = Iterable[pa.RecordBatch]


def text_table(table: pa.Table) -> Table:
    """A table for a terminal; two columns of one name are two columns."""
    columns = [
        Column(str(place), field.name or " ", right=_is_number(field.type)) for place, field in enumerate(table.schema)
    ]
    return Table("", columns, [dict(zip(map(str, range(len(row))), row, strict=True)) for row in _rows(table)])


def _own_names(schema: pa.Schema, batches: Batches) -> tuple[pa.Schema, Batches]:
    """A table in which no two columns have one name: a join of a table with itself has each of its names twice."""
    names: list[str] = []
    for name in schema.names:
        names.append(next(each for each in chain([name], (f"{name}_{n}" for n in count(1))) if each not in names))
    if names == schema.names:
        return schema, batches
    renamed = pa.schema([field.with_name(name) for field, name in zip(schema, names, strict=True)])
    return renamed, (pa.RecordBatch.from_arrays(batch.columns, schema=renamed) for batch in batches)


def _write_csv(schema: pa.Schema, batches: Batches, sink: Any) -> None:
    flat = pa.schema(
        [(name, _flat(pa.array([], type_)).type) for name, type_ in zip(schema.names, schema.types, strict=True)]
    )
    with csv.CSVWriter(sink, flat) as writer:
        for batch in batches:
            writer.write_batch(pa.RecordBatch.from_arrays([_flat(column) for column in batch.columns], schema=flat))


def _write_json(schema: pa.Schema, batches: Batches, sink: Any) -> None:
    schema, batches = _own_names(schema, batches)
    names, mark = schema.names, b"["
    for batch in batches:
        for row in _rows(batch):
            fields = {name: plain(value) for name, value in zip(names, row, strict=True)}
            sink.write(mark + escaped_json(json.dumps(fields, allow_nan=False, ensure_ascii=False)).encode())
            mark = b", "
    sink.write(b"]\n" if mark != b"[" else b"[]\n")


def _write_markdown(schema: pa.Schema, batches: Batches, sink: Any) -> None:
    def write(row: Sequence[str]) -> None:
        cells = (" ".join(cell.split()).replace("|", r"\|") for cell in row)
        sink.write(f"| {' | '.join(cells)} |\n".encode(errors="backslashreplace"))

    write(schema.names)
    write(["---:" if _is_number(field.type) else "---" for field in schema])
    for batch in batches:
        for row in _rows(batch):
            write([cell_text(value) for value in row])


def _write_parquet(schema: pa.Schema, batches: Batches, sink: Any) -> None:
    schema, batches = _own_names(schema, batches)
    try:
        write_parquet(schema, batches, sink)
    except pa.ArrowNotImplementedError as error:
        raise UsageError(
            f"Parquet has no form for a column of the result ({error}). Convert the column to text: column::varchar."
        ) from None


FORMATS: Mapping[str, Callable[[pa.Schema, Batches, Any], None]] = {
    "csv": _write_csv,
    "json": _write_json,
    "markdown": _write_markdown,
    "parquet": _write_parquet,
}
"""The formats of tables, besides the text on a terminal: each function writes batches of a schema into a file."""

SUFFIXES = {".csv": "csv", ".json": "json", ".md": "markdown", ".markdown": "markdown", ".parquet": "parquet"}
"""The format that a file's suffix stands for."""


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def _flat(column: pa.Array) -> pa.Array:
    """A column that CSV can hold: what has parts becomes JSON, bytes become text, and no number is written as `nan`."""
    is_, type_ = pa.types, column.type
    if is_.is_floating(type_):
        return pc.if_else(pc.is_nan(column), None, column)
    if is_.is_nested(type_) or is_.is_duration(type_) or is_.is_interval(type_):
        return pa.array([None if v is None else json.dumps(plain(v)) for v in column.to_pylist()], pa.string())
    if is_.is_binary(type_) or is_.is_large_binary(type_):
        return pa.array([plain(value) for value in column.to_pylist()], pa.string())
    return column


def _rows(table: pa.Table | pa.RecordBatch) -> list[tuple[Any, ...]]:
    """Rows of Python's values."""
    try:
        columns = [column.to_pylist() for column in table.columns]
    except (OverflowError, ValueError) as error:
        # SQL has years behind 9999 and an infinite date; Python has neither.
        raise UsageError(
            f"The result contains a time that cannot be shown ({error}). Select years from 1 to 9999, or convert the "
            "column to text: column::varchar."
        ) from None
    return list(zip(*columns, strict=True))
