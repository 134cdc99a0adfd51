"""The data of the page's pictures: columns of trials, curves, and the best value so far.

Columns, not rows: ten thousand trials are a few arrays.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.results.analysis.parameters import format_value, is_log, of_shown, shown_parameters, tuned
from pipeline.results.analysis.queries import progress
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import configs_of, objective_columns, objective_values, pareto_front, ranked
from pipeline.space import ListedDomain, Value, key_of
from pipeline.storage.schema import metric_column, metric_columns
from pipeline.text import sanitize_line

_POINTS = 240_000
"""Points of all curves together: more cannot be distinguished, and take long to send."""
_MIN_POINTS, _MAX_POINTS = 12, 400
"""Points of one curve."""
_DIGITS = 6
_PARAMETERS = 24
"""The maximum number of hyperparameters in a picture of all of them; the others can be chosen in pictures of two."""


def trial_columns(results: Results) -> dict[str, Any]:
    """The columns that a picture can show, as JSON values."""
    trials, objective = results.trials, results.objective
    ids = [str(trial) for trial in trials["trial_id"]]
    ranks = {trial: place + 1 for place, trial in enumerate(ranked(results))}
    several = len(results.objectives) > 1
    front = {point.trial_id for point in pareto_front(results)} if several else set()
    columns = [{**_numbers("objective", objective.metric, trials["objective"]), "mode": objective.mode}]
    if several:
        values, names = objective_values(results), objective_columns(results)
        columns += [
            {**_numbers(names[other.metric], other.metric, values[other.metric]), "mode": other.mode}
            for other in results.objectives[1:]
        ]
    space = results.space
    drawn = [name for name in tuned(results) if f"config_{name}" in trials]
    shown = [name for name in shown_parameters(results, _PARAMETERS) if name in drawn]
    for name in drawn:
        column = f"config_{name}"
        domain = space[name]
        if isinstance(domain, ListedDomain):
            found = _levels(results, name, domain.values)
        else:
            found = _numbers(column, name, trials[column])
        columns.append({**found, "log": is_log(domain)})
    columns += [
        _numbers("best_epoch", "best epoch", trials["best_epoch"]),
        _numbers("epochs", "epochs", trials["epochs"]),
        _numbers("seconds", "seconds", trials["seconds"]),
    ]
    return {
        "trials": [sanitize_line(trial) for trial in ids],
        "states": [str(state) for state in trials["state"]],
        "ranks": [ranks[trial] for trial in ids],
        "front": [place for place, trial in enumerate(ids) if trial in front],
        "columns": columns,
        "metrics": shown_metrics(results),
        "parameters": [f"config_{name}" for name in shown],
        "some": of_shown(results, len(shown), len(drawn)),
    }


def shown_metrics(results: Results) -> list[tuple[str, str]]:
    """The columns of `epochs` that a curve can show, with their labels; the objective comes first."""
    first = metric_column(results.objective.metric)
    names = [name for name in metric_columns(results.epochs.columns) if results.epochs[name].notna().any()]
    names = [*(name for name in names if name == first), *(name for name in names if name != first)]
    if results.epochs["learning_rate"].notna().any():
        names.append("learning_rate")
    labels = {"learning_rate": "learning rate", **results.metric_names}
    return [(name, sanitize_line(labels.get(name, name))) for name in names]


def curves(results: Results, metric: str) -> bytes:
    """The curve of a metric for every trial, each thinned to as many points as can be distinguished."""
    epochs, count = results.epochs, len(results.trials)
    places = pd.Index(results.trials["trial_id"]).get_indexer(epochs["trial_id"])
    lengths = np.bincount(places[places >= 0], minlength=count)
    most = int(np.clip(_POINTS // max(count, 1), _MIN_POINTS, _MAX_POINTS))
    rows = thinned(lengths, most)
    kept = np.minimum(lengths, most).astype("<u4")
    x = epochs["epoch"].to_numpy(np.float32)[rows].astype("<f4")
    y = epochs[metric].to_numpy(np.float64, na_value=np.nan)[rows].astype("<f4")
    return np.array([count], "<u4").tobytes() + kept.tobytes() + x.tobytes() + y.tobytes()


def best_so_far(results: Results) -> dict[str, Any]:
    """The steps of the best value, as JSON values."""
    rows = progress(results).to_pandas()
    rows = rows[np.isfinite(rows["best"].to_numpy(np.float64))]
    if len(rows):
        best = rows["best"].to_numpy(np.float64)
        keep = np.append(True, best[1:] != best[:-1])
        keep[-1] = True
        rows = rows[keep]
    return {
        "metric": sanitize_line(results.objective.metric),
        **{name: _rounded(rows[name].to_numpy(np.float64)) for name in ("seconds", "epochs", "trials", "best")},
    }


def epochs_of(results: Results, trial_id: str) -> dict[str, Any]:
    """All curves of one trial, as JSON values."""
    rows = results.epochs[results.epochs["trial_id"] == trial_id]
    metrics = [
        {"name": name, "label": label, "values": _rounded(rows[name].to_numpy(np.float64, na_value=np.nan))}
        for name, label in shown_metrics(results)
        if rows[name].notna().any()
    ]
    return {"epochs": rows["epoch"].tolist(), "metrics": metrics}


def thinned(lengths: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """Rows to keep of stretches of rows that follow each other: the ends of each, and rows evenly spread between."""
    kept = np.minimum(lengths, most)
    starts = np.cumsum(lengths) - lengths
    within = np.arange(kept.sum()) - np.repeat(np.cumsum(kept) - kept, kept)
    steps = np.repeat((lengths - 1) / np.maximum(kept - 1, 1), kept)
    rows: npt.NDArray[np.int64] = np.repeat(starts, kept) + np.round(within * steps).astype(np.int64)
    return rows


def _levels(results: Results, name: str, listed: Sequence[Value]) -> dict[str, Any]:
    """The column of a parameter that lists its values, numbers included: nothing lies between two of them."""
    column = results.trials[f"config_{name}"]
    configs = configs_of(results.trials[[column.name]], {name: results.space[name]})
    drawn = [
        (key_of(config[name]), config[name], cell) if config else None
        for config, cell in zip(configs, column.tolist(), strict=True)
    ]
    levels: dict[str, tuple[Value, Any]] = {one[0]: one[1:] for one in drawn if one is not None}
    order = [key for key in map(key_of, listed) if key in levels]
    # The domain was another one when these were drawn.
    order += sorted(levels.keys() - set(order))
    places = {key: place for place, key in enumerate(order)}
    return {
        "name": column.name,
        "label": sanitize_line(name),
        "values": [None if one is None else places[one[0]] for one in drawn],
        "levels": [format_value(levels[key][0]) for key in order],
        "sql": [_sql(levels[key][1]) for key in order],
    }


def _sql(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"


def _numbers(name: str, label: str, values: pd.Series) -> dict[str, Any]:
    return {
        "name": name,
        "label": sanitize_line(label),
        "values": _rounded(values.to_numpy(np.float64, na_value=np.nan)),
    }


def _rounded(values: npt.NDArray[np.float64]) -> list[float | int | None]:
    """Numbers with as many digits as a picture can show; null for those that are not finite."""
    return [_number(value) for value in values.tolist()]


def _number(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else float(f"{value:.{_DIGITS}g}")


def as_json(values: Mapping[str, Any]) -> str:
    """JSON values as compact text."""
    return json.dumps(values, separators=(",", ":"), allow_nan=False)
