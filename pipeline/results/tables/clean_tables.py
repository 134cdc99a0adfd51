"""Raw parts → clean tables: pure and repeatable, whether a study is running, finished or was cut off.

Parts may hold a row twice: an attempt whose worker was lost had recorded epochs that the next attempt trains again, and
a compaction writes the new file before it deletes the old ones. The newest row counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import StorageError
from pipeline.results.tables.column_check import check_columns
from pipeline.results.tables.stored_space import parameters_of
from pipeline.results.tables.trials_derivation import derive_trials
from pipeline.results.tables.unique_rows import clean_decisions, clean_epochs
from pipeline.storage import Store
from pipeline.storage.metric_column import metric_column, metric_field, stored_column
from pipeline.storage.schema import arrow_schema


@dataclass(frozen=True, slots=True)
class Tables:
    """A study's tables, clean."""

    trials: pa.Table
    epochs: pa.Table
    decisions: pa.Table


def read_tables(store: Store, study: Mapping[str, Any]) -> Tables:
    """Read a study's parts, and make clean tables from them."""
    space = parameters_of(study)
    # Decisions first: a running study may then add epochs, but no decision about epochs that were not read.
    decisions = clean_decisions(stored_rows(store, "decisions", space))
    epochs = clean_epochs(columns_of_now(stored_rows(store, "epochs", space), study))
    checkpoints = newest_checkpoints(store.files("checkpoints"))
    return Tables(derive_trials(epochs, decisions, study=study, checkpoints=checkpoints), epochs, decisions)


def newest_checkpoints(paths: Sequence[str]) -> dict[str, str]:
    """The newest checkpoint of each trial."""
    return {path.split("/")[1]: path for path in sorted(paths) if path.endswith(".ckpt") and path.count("/") == 2}


def stored_rows(store: Store, table: str, space: Mapping[str, Any]) -> pa.Table:
    """All rows of a table as its parts have them."""
    try:
        stored = store.read_table(table)
    except FileNotFoundError:
        return arrow_schema(table, space).empty_table()
    return fitted_rows(stored, table, space, store.uri)


def fitted_rows(rows: pa.Table, table: str, space: Mapping[str, Any], uri: str) -> pa.Table:
    """Rows of parts with all columns of their table."""
    schema = arrow_schema(table, space)
    try:
        whole = pa.concat_tables([schema.empty_table(), rows], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise StorageError(
            f"A part of {table} in {uri} does not fit study.json: {error}. Move files of other programs out of "
            "the study."
        ) from None
    return check_columns(_without_empty_chunks(whole), table, schema)


def columns_of_now(table: pa.Table, study: Mapping[str, Any]) -> pa.Table:
    """The objectives' columns as they are called now, where a part is of a version that called them otherwise."""
    for metric in (objective["metric"] for objective in study["job"]["objectives"]):
        column = metric_column(metric)
        if (stored := stored_column(metric, [name for name in table.column_names if name != column])) == column:
            continue
        there = table.schema.get_field_index(column)
        if there < 0:
            place = table.schema.get_field_index(stored)
            table = table.set_column(place, metric_field(metric), table[stored])
        elif not table.field(stored).metadata:
            # A study that an earlier version began, and a later one resumed.
            table = table.set_column(there, metric_field(metric), pc.coalesce(table[column], table[stored]))
            table = table.drop_columns([stored])
    return table


def _without_empty_chunks(table: pa.Table) -> pa.Table:
    """The same rows: a frame shares the memory of a column in one chunk, and copies one in several."""
    columns = [
        pa.chunked_array([chunk for chunk in column.chunks if len(chunk)], column.type) for column in table.columns
    ]
    return pa.Table.from_arrays(columns, schema=table.schema)
