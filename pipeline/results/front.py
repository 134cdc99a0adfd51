"""Several objectives: what each trial reached in all of them, and which trials none other beats."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.results.load import Results
from pipeline.storage.schema import MEASURES, metric_column

__all__ = ["FrontPoint", "front_in_words", "objective_column", "objective_values", "on_front", "pareto_front"]


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A trial on the front.

    Args:
        trial_id: The trial.
        epoch: Its best epoch in the first objective.
        values: Each objective's value at that epoch, by metric.
    """

    trial_id: str
    epoch: int
    values: Mapping[str, float]


def on_front(values: npt.NDArray[np.float64], modes: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which points no other one beats: as good in every objective, and better in one (Pareto).

    Args:
        values: Shape (points, objectives). A point with a value that is not finite is on no front.
        modes: `max` or `min` of each objective.

    Returns:
        Shape (points,). Of points that are equal, all are on the front or none.
    """
    losses = values * np.array([-1.0 if mode == "max" else 1.0 for mode in modes])
    found = np.zeros(len(losses), np.bool_)
    front = np.empty((0, losses.shape[1]))
    # In this order nobody is beaten by one that comes later, so that the front so far is all there is to compare with.
    for place in np.lexsort(losses.T[::-1]):
        point = losses[place]
        beaten = (front <= point).all(axis=1) & (front < point).any(axis=1)
        if np.isfinite(point).all() and not beaten.any():
            found[place] = True
            front = np.vstack([front, point])
    return found


def objective_column(metric: str, columns: Collection[str]) -> str:
    """The column of `epochs` that an objective is read from: the metric's, or the measured one that is called so.

    Args:
        metric: The objective's metric.
        columns: The columns of the study's `epochs`.
    """
    column = metric_column(metric)
    return metric if column not in columns and metric in MEASURES else column


def objective_values(results: Results) -> pd.DataFrame:
    """Each trial's value of every objective at its best epoch in the first one.

    Returns:
        A row for each trial, its id as the index, in the order of `results.trials`; a column for each objective, called
        as its metric; NaN where there is no value.
    """
    epochs = results.epochs.merge(results.trials[["trial_id", "best_epoch"]], on="trial_id")
    rows = epochs[epochs["epoch"] == epochs["best_epoch"]].set_index("trial_id").reindex(results.trials["trial_id"])
    metrics = [objective.metric for objective in results.objectives]
    columns = {metric: _values(rows, metric) for metric in metrics}
    return pd.DataFrame(columns, index=rows.index)


def pareto_front(results: Results) -> list[FrontPoint]:
    """The trials on the front of a study's objectives, the best in the first one first; failed ones aside."""
    values = objective_values(results)
    matrix = values.to_numpy(np.float64).copy()
    matrix[(results.trials["state"] == "failed").to_numpy()] = np.nan
    found = on_front(matrix, [objective.mode for objective in results.objectives])
    sign = -1 if results.objective.mode == "max" else 1
    best_epochs = dict(zip(results.trials["trial_id"], results.trials["best_epoch"], strict=True))
    points = [
        FrontPoint(str(trial), int(best_epochs[trial]), dict(zip(values.columns, row, strict=True)))
        for trial, row in zip(values.index[found], matrix[found].tolist(), strict=True)
    ]
    return sorted(points, key=lambda point: sign * point.values[results.objective.metric])


def front_in_words(results: Results) -> str:
    """How many trials are on the front, and what the winner is; empty where there is one objective alone."""
    names = [f"{objective.metric} ({objective.mode})" for objective in results.objectives]
    if len(names) < 2:
        return ""
    *first, last = names
    many = len(pareto_front(results))
    which = f"{many} of {len(results.trials)} trials {'is' if many == 1 else 'are'}"
    winner = f"the winner is the best in the first, {results.objective.metric}"
    return f"{which} on the front of {', '.join(first)} and {last}; {winner}."


def _values(rows: pd.DataFrame, metric: str) -> npt.NDArray[np.float64]:
    """An objective's values: those of the metric, or of the column that is called so."""
    column = objective_column(metric, rows.columns)
    if column not in rows:
        return np.full(len(rows), np.nan)
    found: npt.NDArray[np.float64] = rows[column].to_numpy(np.float64, na_value=np.nan)
    return found
