"""Raw parts → clean tables: pure and repeatable, whether a study is running, finished or was cut off.

Parts may hold a row twice: an attempt whose worker was lost had recorded epochs that the next attempt trains again, and
a compaction writes the new file before the old ones go. The newest row counts.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter

from pipeline.errors import StorageError
from pipeline.results.checked import checked, config_column, config_from
from pipeline.space import Space, flat
from pipeline.storage import Store
from pipeline.storage.schema import SECONDS, arrow_schema, metric_column

__all__ = [
    "Tables",
    "clean_decisions",
    "clean_epochs",
    "column_value",
    "derive_trials",
    "gather",
    "newest_checkpoints",
    "space_of",
]

_STATE_AFTER = {
    "start": "running",
    "stop": "stopped",
    "pause": "paused",
    "promote": "running",
    "exploit": "paused",
    "explore": "paused",
    "fail": "failed",
    "retry": "waiting",
    "resume": "running",
    "finish": "completed",
}

_Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tables:
    """A study's tables, clean.

    Args:
        trials: As schema.TRIALS, one row for each trial, by id.
        epochs: As schema.EPOCHS, unique by trial and epoch, in that order.
        decisions: As schema.DECISIONS, unique by number, in that order.
    """

    trials: pa.Table
    epochs: pa.Table
    decisions: pa.Table


def gather(store: Store, study: Mapping[str, Any]) -> Tables:
    """Read a study's parts and make clean tables of them.

    Args:
        store: The study's folder.
        study: The content of study.json.

    Raises:
        StorageError: The storage cannot be read, or a part is of an unknown schema version.
    """
    space = parameters_of(study)
    # Decisions first: a study that runs meanwhile may then add epochs, but no decision about epochs not read.
    decisions = clean_decisions(_parts(store, "decisions", space))
    epochs = clean_epochs(_parts(store, "epochs", space))
    checkpoints = newest_checkpoints(store.files("checkpoints"))
    return Tables(derive_trials(epochs, decisions, study=study, checkpoints=checkpoints), epochs, decisions)


def space_of(study: Mapping[str, Any]) -> Space:
    """The space in the content of a study.json, as domains."""
    return _space(json.dumps(study["job"]["space"]))


def parameters_of(study: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter of that space, those of a switch's branches too: what the tables have columns for."""
    return flat(space_of(study))


def clean_epochs(table: pa.Table) -> pa.Table:
    """Rows of `epochs`, unique by trial and epoch, in that order: the newest session and attempt count."""
    trial = _codes(table["trial_id"], _trial_ids(table["trial_id"]))
    return _unique(table, (trial, _whole(table["epoch"])), (_whole(table["session"]), _whole(table["attempt"])))


def clean_decisions(table: pa.Table) -> pa.Table:
    """Rows of `decisions`, unique by number, in that order.

    A driver that is killed may have written decisions that its last state knows nothing of. The next session goes on
    from that state, counts on from there, and so says which of the earlier rows no longer hold.
    """
    table = _unique(table, (_whole(table["session"]), _whole(table["number"])), ())
    session, number = _whole(table["session"]), _whole(table["number"])
    holds, first = np.ones(len(number), np.bool_), np.iinfo(np.int64).max
    for each in np.unique(session)[::-1]:
        rows = session == each
        holds[rows] = number[rows] < first
        first = min(first, number[rows].min())
    return table if holds.all() else table.filter(pa.array(holds))


def newest_checkpoints(paths: Sequence[str]) -> dict[str, str]:
    """The newest checkpoint of each trial.

    Args:
        paths: Paths of checkpoints within a study: `checkpoints/<trial>/<epoch>.ckpt`.
    """
    return {path.split("/")[1]: path for path in sorted(paths) if path.endswith(".ckpt") and path.count("/") == 2}


def column_value(value: Any, type_: pa.DataType) -> Any:
    """A parameter's value as its column holds it: in a column of text, what is not text becomes its JSON."""
    return json.dumps(value) if pa.types.is_string(type_) and not isinstance(value, str | None) else value


def derive_trials(
    epochs: pa.Table,
    decisions: pa.Table,
    *,
    study: Mapping[str, Any],
    checkpoints: Mapping[str, str] | None = None,
) -> pa.Table:
    """The table `trials`, made from the two others.

    Args:
        epochs: Rows of `epochs`, clean or raw.
        decisions: Rows of `decisions`, clean or raw.
        study: The content of study.json.
        checkpoints: Trial id → path of its newest checkpoint.

    Returns:
        One row for each trial that either table knows, by id. A trial's best epoch is the one with its best finite
        value, the earlier where two tie; a value that is not finite is never best.
    """
    objective, schema = study["job"]["objectives"][0], arrow_schema("trials", parameters_of(study))
    configs = [name for name in schema.names if name.startswith("config_")]
    metric = metric_column(objective["metric"])
    wanted = ["trial_id", "session", "attempt", "epoch", metric, *SECONDS.values(), *configs]
    epochs = clean_epochs(epochs.select([name for name in wanted if name in epochs.column_names]))
    decisions = clean_decisions(decisions)

    ids = _trial_ids(epochs["trial_id"], decisions["trial_id"])
    count = len(ids)
    trial, epoch = _codes(epochs["trial_id"], ids), _whole(epochs["epoch"])
    values = _reals(epochs, metric)
    newest = _newest(trial, count)
    best = _best(trial, values if objective["mode"] == "max" else -values, count)
    seconds = np.sum([np.nan_to_num(_reals(epochs, name)) for name in SECONDS.values()], axis=0)
    attempts = np.ones(count, np.int64)
    np.maximum.at(attempts, trial, _whole(epochs["attempt"]))

    decided, kind = _codes(decisions["trial_id"], ids), np.array(decisions["kind"].to_pylist(), object)
    told = np.asarray(pc.fill_null(pc.greater(pc.utf8_length(decisions["config_after"]), 0), False))
    last = _newest(decided, count)
    starts = np.bincount(decided[kind == "retry"], minlength=count) + 1
    state = np.array([_STATE_AFTER.get(kind[row], "running") if row >= 0 else "running" for row in last], object)
    # A retried trial waits until its new attempt shows itself.
    state[(state == "waiting") & (attempts >= starts)] = "running"

    columns: dict[str, Any] = {
        "study": [study["job"]["name"]] * count,
        "trial_id": ids,
        "state": state,
        "objective": _picked(values, best),
        "best_epoch": _picked(epoch, best),
        "last_objective": _picked(values, newest),
        "epochs": pc.fill_null(_picked(epoch, newest), 0),
        "seconds": np.bincount(trial, weights=seconds, minlength=count),
        "attempts": np.maximum(attempts, starts),
        "parent": decisions["parent_trial"].take(_places(_newest(decided, count, kind == "exploit"))),
        "checkpoint": [(checkpoints or {}).get(trial_id) for trial_id in ids.to_pylist()],
        "error": decisions["reason"].take(_places(np.where(state == "failed", last, -1))),
    }
    drawn = decisions["config_after"].take(_places(_newest(decided, count, told))).to_pylist()
    columns |= _config_columns(schema, drawn, epochs.take(_places(newest)), epochs.take(_places(best)), best >= 0)
    arrays = [_array(columns[field.name], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


@cache
def _space(text: str) -> Space:
    space: Space = TypeAdapter(Space).validate_json(text)
    return space


def _parts(store: Store, table: str, space: Mapping[str, Any]) -> pa.Table:
    schema = arrow_schema(table, space)
    try:
        found = store.read_table(table)
    except FileNotFoundError:
        return schema.empty_table()
    try:
        whole = pa.concat_tables([schema.empty_table(), found], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise StorageError(
            f"A part of {table} in {store.uri} does not fit study.json: {error}. Move what is not tunepipe's out of it."
        ) from None
    return checked(whole, table, schema)


def _trial_ids(*columns: pa.ChunkedArray) -> pa.Array:
    """Every trial id, sorted as numbers are: 9999 before 10000."""
    known = {trial for column in columns for trial in pc.unique(column).to_pylist()}
    return pa.array(sorted(known, key=lambda trial: (len(trial), trial)), pa.string())


def _codes(column: pa.ChunkedArray, ids: pa.Array) -> _Indices:
    """The position of each row's trial in `ids`."""
    return np.asarray(pc.index_in(column, value_set=ids), np.int64)


def _whole(column: pa.ChunkedArray) -> _Indices:
    return np.asarray(column, np.int64)


def _reals(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return np.asarray(pc.fill_null(table[name].cast(pa.float64()), float("nan")))


def _unique(table: pa.Table, key: tuple[_Indices, _Indices], age: tuple[_Indices, ...]) -> pa.Table:
    """Rows in order of `key`, one for each: the last by `age`, then by position."""
    if not table.num_rows:
        return table
    first, second = key
    step, within = np.diff(first), np.diff(second)
    if np.all((step > 0) | ((step == 0) & (within > 0))):
        return table
    order = np.lexsort((*reversed(age), second, first))
    ends = np.append((np.diff(first[order]) != 0) | (np.diff(second[order]) != 0), True)
    return table.combine_chunks().take(pa.array(order[ends]))


def _newest(codes: _Indices, count: int, which: npt.NDArray[np.bool_] | None = None) -> _Indices:
    """For each trial its last row, among those in `which`; -1 where there is none."""
    rows = np.arange(len(codes)) if which is None else np.flatnonzero(which)
    newest = np.full(count, -1, np.int64)
    np.maximum.at(newest, codes[rows], rows)
    return newest


def _best(codes: _Indices, scores: npt.NDArray[np.float64], count: int) -> _Indices:
    """For each trial the first row with its highest finite score; -1 where there is none."""
    scores = np.where(np.isfinite(scores), scores, -np.inf)
    highest = np.full(count, -np.inf)
    np.maximum.at(highest, codes, scores)
    hits = np.flatnonzero((scores == highest[codes]) & np.isfinite(scores))
    best = np.full(count, -1, np.int64)
    best[codes[hits[::-1]]] = hits[::-1]
    return best


def _places(rows: _Indices) -> pa.Array:
    """Positions to take, null for -1."""
    return pa.array(rows, mask=rows < 0)


def _picked(values: npt.NDArray[Any], rows: _Indices) -> pa.Array:
    return pa.array(values).take(_places(rows))


def _config_columns(
    schema: pa.Schema, drawn: list[str | None], rows: pa.Table, bests: pa.Table, has_best: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """The columns config_<name>: at the best epoch; else from the decisions, or where none tells, at the last one."""
    configs = [config_from(text) for text in drawn]
    columns = {}
    for field in schema:
        name = field.name.removeprefix("config_")
        if name == field.name:
            continue
        trained = rows[field.name].to_pylist() if field.name in rows.column_names else [None] * len(configs)
        pairs = zip(configs, trained, strict=True)
        values = [column_value(config.get(name, other), field.type) for config, other in pairs]
        if field.name in bests.column_names:
            at_best = zip(has_best, bests[field.name].to_pylist(), values, strict=True)
            values = [best if has else value for has, best, value in at_best]
        columns[field.name] = config_column(name, values, field.type)
    return columns


def _array(values: Any, type_: pa.DataType) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    return values.cast(type_) if isinstance(values, pa.Array) else pa.array(values, type_)
