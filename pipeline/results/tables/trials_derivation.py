"""The table `trials`, derived from the tables `epochs` and `decisions`."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.results.tables.column_check import config_column, config_from
from pipeline.results.tables.objective_column import choose_objective_column
from pipeline.results.tables.stored_space import parameters_of
from pipeline.results.tables.unique_rows import Indices, reals, trial_ids, trial_positions, whole_numbers
from pipeline.space import column_value
from pipeline.storage.metric_column import column_of, metric_column, metric_names
from pipeline.storage.schema import MEASURES, SECONDS, arrow_schema
from pipeline.study import Objective
from pipeline.study.ranking import total_violations

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


def derive_trials(
    epochs: pa.Table,
    decisions: pa.Table,
    *,
    study: Mapping[str, Any],
    checkpoints: Mapping[str, str] | None = None,
    has_values: Callable[[str], bool] | None = None,
) -> pa.Table:
    """The table `trials`, made from the two others."""
    schema = arrow_schema("trials", parameters_of(study))
    objectives = [Objective(**fields) for fields in study["job"]["objectives"]]
    wanted = {*epoch_columns(study), *(column_of(one.metric, metric_names(epochs.schema)) for one in objectives)}
    epochs = epochs.select([name for name in epochs.column_names if name in wanted])
    # Those about the whole study say nothing about a trial.
    decisions = decisions.filter(pc.is_valid(decisions["trial_id"]))

    ids = trial_ids(epochs["trial_id"], decisions["trial_id"])
    count = len(ids)
    trial, decided = trial_positions(epochs["trial_id"], ids), trial_positions(decisions["trial_id"], ids)
    newest = _newest(trial, count)
    values = _reals(epochs, metric_column(objectives[0].metric))
    bounded = partial(_objective_values, epochs, has_values or partial(_has_values, epochs))
    violation = total_violations(objectives, bounded, rows=epochs.num_rows)
    best = _best(trial, values if objectives[0].mode == "max" else -values, violation, count)
    columns: dict[str, Any] = {
        "study": [study["job"]["name"]] * count,
        "trial_id": ids,
        "objective": _picked(values, best),
        "violation": _picked(violation, best),
        "last_objective": _picked(values, newest),
        "checkpoint": [(checkpoints or {}).get(trial_id) for trial_id in ids.to_pylist()],
        **_training_columns(epochs, trial, newest, best),
        **_decision_columns(decisions, decided, _attempts(epochs, trial, count)),
    }
    configs = epochs.select([name for name in epochs.column_names if name.startswith("config_")])
    drawn = _drawn_configs(decisions, decided, count)
    columns |= _config_columns(schema, drawn, configs.take(_places(newest)), configs.take(_places(best)), best >= 0)
    arrays = [_array(columns[field.name], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def epoch_columns(study: Mapping[str, Any]) -> list[str]:
    """The columns of `epochs` from which the table `trials` is derived."""
    configs = [f"config_{name}" for name in parameters_of(study)]
    first, *others = [Objective(**fields) for fields in study["job"]["objectives"]]
    bounded = [one.metric for one in others if one.bounded]
    columns = dict.fromkeys([*map(metric_column, bounded), *(name for name in bounded if name in MEASURES)])
    fixed = ["trial_id", "session", "attempt", "epoch", metric_column(first.metric), *SECONDS.values()]
    return [*fixed, *(name for name in columns if name not in fixed), *configs]


def _training_columns(epochs: pa.Table, trial: Indices, newest: Indices, best: Indices) -> dict[str, Any]:
    """How far each trial trained, and how long that took; `newest` and `best` are rows of `epochs`."""
    epoch = whole_numbers(epochs["epoch"])
    seconds = sum((_reals_or_0(epochs, name) for name in SECONDS.values()), np.zeros(len(trial)))
    return {
        "best_epoch": _picked(epoch, best),
        "epochs": pc.fill_null(_picked(epoch, newest), 0),
        "seconds": np.bincount(trial, weights=seconds, minlength=len(newest)),
    }


def _attempts(epochs: pa.Table, trial: Indices, count: int) -> Indices:
    """The latest attempt of each trial that has reported; 1 before the first report."""
    attempts = np.ones(count, np.int64)
    np.maximum.at(attempts, trial, whole_numbers(epochs["attempt"]))
    return attempts


def _decision_columns(decisions: pa.Table, decided: Indices, reported: Indices) -> dict[str, Any]:
    """What decisions made of each trial: its state, attempts, parent and error."""
    count, kind = len(reported), np.array(decisions["kind"].to_pylist(), object)
    last = _newest(decided, count)
    starts = np.bincount(decided[kind == "retry"], minlength=count) + 1
    state = np.array([_STATE_AFTER.get(kind[row], "running") if row >= 0 else "running" for row in last], object)
    # A retried trial waits until its new attempt has reported.
    state[(state == "waiting") & (reported >= starts)] = "running"
    return {
        "state": state,
        "attempts": np.maximum(reported, starts),
        "parent": decisions["parent_trial"].take(_places(_newest(decided, count, kind == "exploit"))),
        "error": decisions["reason"].take(_places(np.where(state == "failed", last, -1))),
    }


def _drawn_configs(decisions: pa.Table, decided: Indices, count: int) -> list[str | None]:
    """The newest config that decisions gave to each trial, as JSON."""
    has_config = np.asarray(pc.fill_null(pc.greater(pc.utf8_length(decisions["config_after"]), 0), False))
    drawn: list[str | None] = decisions["config_after"].take(_places(_newest(decided, count, has_config))).to_pylist()
    return drawn


def _objective_values(
    epochs: pa.Table, has_values: Callable[[str], bool], objective: Objective
) -> npt.NDArray[np.float64]:
    return _reals(epochs, choose_objective_column(objective.metric, metric_names(epochs.schema), has_values))


def _has_values(table: pa.Table, name: str) -> bool:
    return name in table.column_names and table[name].null_count < table.num_rows


def _reals(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return reals(table[name])


def _reals_or_0(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    values = _reals(table, name)
    return np.where(np.isnan(values), 0.0, values)


def _newest(codes: Indices, count: int, which: npt.NDArray[np.bool_] | None = None) -> Indices:
    """The last row of each trial among those in `which`; -1 where there is none."""
    rows = np.arange(len(codes)) if which is None else np.flatnonzero(which)
    newest = np.full(count, -1, np.int64)
    # If a position gets several values, NumPy assigns the last, here the largest.
    newest[codes[rows]] = rows
    return newest


def _best(codes: Indices, scores: npt.NDArray[np.float64], violations: npt.NDArray[np.float64], count: int) -> Indices:
    """The first row with the highest finite score of each trial, of those beyond the bounds by least; -1 for none."""
    scores = np.where(np.isfinite(scores), scores, -np.inf)
    if violations.any():
        least = np.full(count, np.inf)
        scored = np.isfinite(scores)
        np.minimum.at(least, codes[scored], violations[scored])
        scores = np.where(violations <= least[codes], scores, -np.inf)
    highest = np.full(count, -np.inf)
    np.maximum.at(highest, codes, scores)
    hits = np.flatnonzero((scores == highest[codes]) & np.isfinite(scores))
    best = np.full(count, -1, np.int64)
    best[codes[hits[::-1]]] = hits[::-1]
    return best


def _places(rows: Indices) -> pa.Array:
    """Positions to take, null for -1."""
    return pa.array(rows, mask=rows < 0)


def _picked(values: npt.NDArray[Any], rows: Indices) -> pa.Array:
    return pa.array(values).take(_places(rows))


def _config_columns(
    schema: pa.Schema, drawn: list[str | None], rows: pa.Table, bests: pa.Table, has_best: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    """The columns config_<name>: at the best epoch, else from the decisions, else at the last epoch."""
    configs: dict[int, Mapping[str, Any]] = {}
    columns: dict[str, Any] = {}
    # Made once: a table with hundreds of columns makes a list of their names each time.
    in_bests, in_rows = set(bests.column_names), set(rows.column_names)
    for field in schema:
        name = field.name.removeprefix("config_")
        if name == field.name:
            continue
        recorded = has_best if field.name in in_bests else np.zeros(len(drawn), np.bool_)
        rest = np.flatnonzero(~recorded).tolist()
        if not rest and len(drawn):
            columns[field.name] = bests[field.name]
            continue
        trained = rows[field.name].to_pylist() if rest and field.name in in_rows else [None] * len(drawn)
        values: list[Any] = [None] * len(drawn)
        for place in rest:
            # Most trials have a best epoch, and their texts need no reading.
            if place not in configs:
                configs[place] = config_from(drawn[place])
            config = configs[place]
            values[place] = column_value(config[name], field.type) if name in config else trained[place]
        column = config_column(name, values, field.type)
        columns[field.name] = pc.if_else(pa.array(recorded), bests[field.name], column) if recorded.any() else column
    return columns


def _array(values: Any, type_: pa.DataType) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if not isinstance(values, pa.Array):
        return pa.array(values, type_)
    return values if values.type == type_ else values.cast(type_)
