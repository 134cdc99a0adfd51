"""The tables of a study: which files hold them, their clean rows, and the view `trials` over `epochs` and `decisions`.

A flush writes one part of each table that has new rows, and then the session's file, which says how many parts there
are. That file is the commit: parts beyond it do not exist. Parts may hold an epoch twice: the newest row counts.
"""

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter

from pipeline.errors import StorageError
from pipeline.space import LARGEST, Space, column_value, flat
from pipeline.storage import layout
from pipeline.storage.schema import (
    KEYS,
    MEASURES,
    SECONDS,
    STUDY_DECISIONS,
    arrow_schema,
    metric_column,
)
from pipeline.storage.sessions import TableFiles, committed_files
from pipeline.storage.store import Store

if TYPE_CHECKING:
    import duckdb

# Queries and tables may be of unknown origin: a query can read the tables and nothing else.
_CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "temp_directory": "",
    "memory_limit": "2GB",
    # Otherwise DuckDB looks for an unknown table among the variables of this program.
    "python_enable_replacements": "false",
}

DRAW_ORDER = "length(ltrim(trial_id, '0')), ltrim(trial_id, '0'), trial_id"
"""The order of `pipeline.text.draw_order`, for `order by`: 9999 before 10000."""

_CLEAN = {
    "epochs": "qualify row_number() over (partition by trial_id, epoch order by session desc, attempt desc, place desc)"
    f" = 1 order by {DRAW_ORDER}, epoch",
    "decisions": "qualify row_number() over (partition by session, number order by place desc) = 1"
    " order by session, number",
}

_STATES = {
    "stop": "stopped", "pause": "paused", "exploit": "paused", "explore": "paused", "fail": "failed",
    "complete": "completed",
}  # fmt: skip
"""The state of a trial after each kind of decision; after the others it runs."""


@dataclass(frozen=True, slots=True)
class Tables:
    trials: pa.Table
    epochs: pa.Table
    decisions: pa.Table


def read_tables(store: Store, study: Mapping[str, Any], *, whole: bool = True) -> Tables:
    """Read a study's tables as its newest session has committed them; of `epochs` all columns, or a report's."""
    trained = str(study["job"]["objectives"][0]["metric"]).removeprefix("val_")
    columns = None if whole else {*scored_columns(study), *KEYS["epochs"], metric_column(trained)}
    while True:
        committed = committed_files(store)
        try:
            epochs = read_rows(store, "epochs", study, committed, columns)
            decisions = read_rows(store, "decisions", study, committed)
        except StorageError:
            # The driver has replaced the parts by one file, unless a part is lost or damaged.
            if committed_files(store) == committed:
                raise
            continue
        checkpoints = newest_checkpoints(store.files("checkpoints"))
        return Tables(derive_trials(epochs, decisions, study, checkpoints), epochs, decisions)


def read_rows(
    store: Store,
    table: str,
    study: Mapping[str, Any],
    committed: Mapping[str, TableFiles],
    columns: Collection[str] | None = None,
) -> pa.Table:
    """The clean rows of a table with all of its columns, or some of them, as far as they are committed."""
    schema, files = arrow_schema(table, parameters_of(study)), committed.get(table, TableFiles())
    schema = pa.schema([field for field in schema if columns is None or field.name in columns], schema.metadata)
    parts = [schema.empty_table()]
    for path in table_paths(table, files):
        try:
            parts.append(store.read_table(path, columns))
        except FileNotFoundError:
            lost = f"{path} in {store.uri} does not exist, and the study's newest session names it."
            raise StorageError(f"{lost} Restore it from a copy.") from None
    rows = _united(parts, table, schema)
    return clean(rows, table) if files.parts else rows


def table_paths(table: str, files: TableFiles) -> Iterator[str]:
    # One after the other: a study of a stranger may claim any number of parts.
    if files.whole is not None:
        yield layout.compacted(table, files.whole)
    for session, count in files.parts.items():
        yield from (layout.part(table, session, number) for number in range(1, count + 1))


def clean(rows: pa.Table, table: str) -> pa.Table:
    """Rows of `epochs`, unique by trial and epoch, the newest ones; or of `decisions`; in order."""
    if not rows.num_rows:
        return rows
    keys = [name for name in ("trial_id", "epoch", "session", "attempt", "number") if name in rows.column_names]
    with connect() as database:
        database.register("keys", rows.select(keys).append_column("place", pa.array(np.arange(rows.num_rows))))
        places = database.sql(f"select place from keys {_CLEAN[table]}").to_arrow_table()["place"]
    return rows if places.equals(pa.chunked_array([pa.array(np.arange(rows.num_rows))])) else rows.take(places)


def derive_trials(
    epochs: pa.Table, decisions: pa.Table, study: Mapping[str, Any], checkpoints: Mapping[str, str]
) -> pa.Table:
    space = parameters_of(study)
    schema = arrow_schema("trials", space)
    with connect() as database:
        database.register("epochs", epochs)
        database.register("decisions", decisions)
        names = ("trial_id", "checkpoint")
        columns = [pa.array(list(texts), pa.string()) for texts in (checkpoints, checkpoints.values())]
        database.register("checkpoints", pa.table(dict(zip(names, columns, strict=True))))
        derived = database.sql(trials_sql(study, epochs.schema)).to_arrow_table()
    derived = derived.append_column("study", pa.array([study["job"]["name"]] * derived.num_rows, pa.string()))
    drawn = [config_from(text) for text in derived["drawn"].to_pylist()]
    arrays = []
    for field in schema:
        column, name = derived[field.name], field.name.removeprefix("config_")
        if field.name != name and any(name in config for config in drawn):
            column = _with_drawn(column, name, drawn, field.type)
        arrays.append(column if column.type == field.type else column.cast(field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def trials_sql(study: Mapping[str, Any], epochs: pa.Schema) -> str:
    """The view `trials`; its column `drawn` is the newest config in JSON of a trial without a best epoch."""
    configs = [f'"config_{name}"' for name in parameters_of(study)]
    packed = "".join(f", c{place} := {name}" for place, name in enumerate(configs))
    chosen = "".join(f", best.c{place} as {name}" for place, name in enumerate(configs))
    seconds = " + ".join(f"coalesce({column}, 0)" for column in SECONDS.values())
    states = " ".join(f"when '{kind}' then '{state}'" for kind, state in _STATES.items())
    return f"""
        with scored as ({scored_sql(study, epochs)}),
        trained as (
            select trial_id, max(epoch) as epochs, max(attempt) as attempt, sum({seconds}) as seconds,
                arg_min(
                    struct_pack(epoch := epoch, value := _value, violation := _violation{packed}),
                    row(_violation, _loss, epoch)
                ) filter (isfinite(_value)) as best,
                arg_max_null(_value, epoch) as last_objective
            from scored group by trial_id
        ),
        decided as (
            select trial_id, count(*) filter (kind = 'retry') + 1 as starts,
                arg_max(struct_pack(kind := kind, reason := reason), row(session, number)) as last,
                arg_max(parent_trial, row(session, number)) filter (kind = 'exploit') as parent,
                arg_max(config_after, row(session, number)) filter (length(config_after) > 0) as config
            from decisions where trial_id is not null group by trial_id
        ),
        known as (
            select *, greatest(coalesce(attempt, 1), coalesce(starts, 1)) as attempts,
                case last.kind {states} else 'running' end as state
            from trained full join decided using (trial_id) left join checkpoints using (trial_id)
        )
        select trial_id, state, best.value as objective, best.epoch as best_epoch, best.violation as violation,
            last_objective, coalesce(epochs, 0) as epochs, coalesce(seconds, 0) as seconds, attempts,
            parent, checkpoint, case when state = 'failed' then last.reason end as error,
            case when best is null then config end as drawn{chosen}
        from known order by {DRAW_ORDER}"""


def scored_sql(study: Mapping[str, Any], epochs: pa.Schema) -> str:
    """`epochs` with the first objective's value, its loss (less is better), and how far all are beyond their bounds."""
    objectives = study["job"]["objectives"]
    value = _double(objective_column(objectives[0]["metric"], epochs))
    sign = "-" if objectives[0]["mode"] == "max" else ""
    violations = [
        _violation(_double(objective_column(one["metric"], epochs)), one.get("at_most"), one.get("at_least"))
        for one in objectives
        if one.get("at_most") is not None or one.get("at_least") is not None
    ]
    violation = " + ".join(violations) or "0.0"
    return f"select *, {value} as _value, {sign}{value} as _loss, cast({violation} as double) as _violation from epochs"


def scored_columns(study: Mapping[str, Any]) -> set[str]:
    """The columns of `epochs` from which the table `trials` is derived, as far as they exist."""
    metrics = [str(one["metric"]) for one in study["job"]["objectives"]]
    fixed = ("trial_id", "session", "attempt", "epoch", *SECONDS.values())
    return {*fixed, *(f"config_{name}" for name in parameters_of(study)), *map(metric_column, metrics), *metrics}


def objective_column(metric: str, epochs: pa.Schema) -> str | None:
    """The column of `epochs` that an objective is read from: the metric's, or the measured one of that name."""
    column = metric_column(metric)
    if column in epochs.names:
        return column
    return metric if metric in MEASURES else None


def open_database() -> "duckdb.DuckDBPyConnection":
    """A DuckDB in memory without access to anything outside; also a context that closes it."""
    import duckdb

    return duckdb.connect(":memory:", config=_CLOSED)


def connect() -> "duckdb.DuckDBPyConnection":
    """A connection to the DuckDB of this process, as a context; opening one takes longer than most of our queries."""
    return _database(os.getpid()).cursor()


@cache
def _database(_process: int) -> "duckdb.DuckDBPyConnection":
    # A process that was forked lacks the threads of its parent's.
    return open_database()


def newest_checkpoints(paths: Sequence[str]) -> dict[str, str]:
    files = {path: found for path in paths if (found := layout.checkpoint_of(path)) is not None}
    return {trial: path for path, (trial, _) in sorted(files.items(), key=lambda each: each[1])}


def space_of(study: Mapping[str, Any]) -> Space:
    return _space(json.dumps(study["job"]["space"]))


def parameters_of(study: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter of that space, those of a switch's branches too: what the tables have columns for."""
    return dict(flat(space_of(study)))


@cache
def _space(text: str) -> Space:
    space: Space = TypeAdapter(Space).validate_json(text)
    return space


def _double(column: str | None) -> str:
    return "cast(null as double)" if column is None else f'cast("{column}" as double)'


def _violation(value: str, at_most: float | None, at_least: float | None) -> str:
    """How far a value is beyond its bounds, as `Objective.violation` has it."""
    bounds = []
    if at_most is not None:
        bounds.append(f"({value} - {_literal(at_most)}) / {_literal(abs(at_most) or 1.0)}")
    if at_least is not None:
        bounds.append(f"({_literal(at_least)} - {value}) / {_literal(abs(at_least) or 1.0)}")
    return f"case when isfinite({value}) then least(greatest(0.0, {', '.join(bounds)}), {LARGEST}) else {LARGEST} end"


def _literal(number: float) -> str:
    return f"cast('{float(number)!r}' as double)"


def config_from(text: str | None) -> Mapping[str, Any]:
    try:
        config = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise _malformed("decisions", f"config_after of one of its rows is not a config: {text!r:.100}")
    return config


def _with_drawn(column: pa.ChunkedArray, name: str, drawn: Sequence[Mapping[str, Any]], type_: pa.DataType) -> Any:
    """A parameter's column, with the values of configs that no epoch has."""
    values = [
        column_value(config[name], type_) if name in config else value
        for config, value in zip(drawn, column.to_pylist(), strict=True)
    ]
    try:
        return pa.array(values, type_)
    except (pa.ArrowException, ArithmeticError, TypeError, ValueError) as error:
        raise _malformed("decisions", f"a value of {name} in config_after is not {type_}: {error}") from None


def _united(parts: Sequence[pa.Table], name: str, schema: pa.Schema) -> pa.Table:
    """Rows whose columns have the schema's types, and the keys of their table; other columns are metrics, as floats."""
    columns, types = {}, {field.name: field.type for field in schema}
    try:
        table = pa.concat_tables(parts, promote_options="permissive")
        for field, column in zip(table.schema, table.columns, strict=True):
            wanted = types.get(field.name, pa.float64())
            # A frame shares the memory of a column in one chunk, and copies one in several.
            chunks = pa.chunked_array([chunk for chunk in column.chunks if len(chunk)], field.type)
            columns[field.with_type(wanted)] = chunks if field.type == wanted else chunks.cast(wanted, safe=False)
    except pa.ArrowException as error:
        raise _malformed(name, str(error)) from None
    for key in KEYS[name]:
        missing = table[key].null_count
        if (name, key) == ("decisions", "trial_id") and missing:
            # A decision may be about the study.
            rows = zip(table[key].to_pylist(), table["kind"].to_pylist(), strict=True)
            missing = sum(trial is None and kind not in STUDY_DECISIONS for trial, kind in rows)
        if missing:
            raise _malformed(name, f"{missing} of its rows have no {key}")
    return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(list(columns), metadata=schema.metadata))


def _malformed(name: str, what: str) -> StorageError:
    return StorageError(
        f"tunepipe did not write the table {name} in this form: {what}. Move files of other programs out of the "
        f"study's {name}/, or restore the original files."
    )
