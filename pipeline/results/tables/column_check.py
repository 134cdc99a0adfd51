"""Whether a table's columns hold what the schema says: other programs may have written its files."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import StorageError
from pipeline.storage.schema import KEYS, STUDY_DECISIONS


def check_columns(table: pa.Table, name: str, schema: pa.Schema) -> pa.Table:
    """Check a table's columns, and cast them to the schema's types; other columns are metrics, as floats."""
    columns, types = [], {field.name: field.type for field in schema}
    for field, column in zip(table.schema, table.columns, strict=True):
        wanted = types.get(field.name, pa.float64())
        if field.type != wanted and not _becomes(field.type, wanted):
            raise _malformed(name, f"a part of it holds {field.type} in the column {field.name!r:.100}, not {wanted}")
        columns.append(column if field.type == wanted else column.cast(wanted, safe=False))
    for key in KEYS[name]:
        if missing := _missing(table, name, key):
            raise _malformed(name, f"{missing} of its rows have no {key}")
    fields = [field.with_type(column.type) for field, column in zip(table.schema, columns, strict=True)]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata=table.schema.metadata))


def config_from(text: str | None) -> Mapping[str, Any]:
    """A config as `decisions` holds it, in JSON."""
    try:
        config = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise _malformed("decisions", f"config_after of one of its rows is not a config: {text!r:.100}")
    return config


def config_column(name: str, values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    """The column of a parameter."""
    try:
        return pa.array(values, type_)
    except (pa.ArrowException, ArithmeticError, TypeError, ValueError) as error:
        raise _malformed("decisions", f"a value of {name} in config_after is not {type_}: {error}") from None


def _becomes(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a column can be cast to its type: a metric may have whole numbers, or only nulls."""
    number = pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_boolean(found)
    return bool(pa.types.is_null(found) or (number and pa.types.is_floating(wanted)))


def _missing(table: pa.Table, name: str, key: str) -> int:
    """How many rows lack what they must have: all have every key, except that a decision may be about the study."""
    column = table[key]
    if (name, key) == ("decisions", "trial_id") and column.null_count:
        column = column.filter(pc.invert(pc.is_in(table["kind"], pa.array(STUDY_DECISIONS))))
    return int(column.null_count)


def _malformed(name: str, what: str) -> StorageError:
    return StorageError(
        f"tunepipe did not write the table {name} in this form: {what}. Move files of other programs out of the "
        f"study's {name}/, or restore the original files."
    )
