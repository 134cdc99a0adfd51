"""Several objectives: what each trial reached in all of them, and their Pareto front."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.pareto import non_dominated
from pipeline.results.tables.load import Results
from pipeline.results.tables.objective_column import choose_objective_column
from pipeline.results.tables.trials import best_rows, ranked
from pipeline.study.ranking import total_violations

__all__ = ["FrontPoint", "epoch_violations", "objective_column", "objective_values", "on_front", "pareto_front"]


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
    """Which points are on the Pareto front: no other is at least as good in every objective and better in one.

    Args:
        values: Shape (points, objectives). A point with a value that is not finite is on no front.
        modes: `max` or `min` of each objective.

    Returns:
        Shape (points,). Of points that are equal, all are on the front or none.
    """
    return non_dominated(values * np.array([-1.0 if mode == "max" else 1.0 for mode in modes]))


def objective_column(metric: str, results: Results) -> str:
    """The column of a study's `epochs` that an objective is read from.

    Args:
        metric: The objective's metric.
        results: The study.
    """
    epochs = results.epochs
    return choose_objective_column(
        metric, results.metric_names, lambda column: column in epochs and bool(epochs[column].notna().any())
    )


def objective_values(results: Results) -> pd.DataFrame:
    """Each trial's value of every objective at its best epoch in the first one.

    Args:
        results: A study's results.

    Returns:
        A row for each trial, its id as the index, in the order of `results.trials`; a column for each objective, called
        as its metric; NaN where there is no value.
    """
    places = best_rows(results)
    rows = results.epochs.take(places[places >= 0]).set_index("trial_id").reindex(results.trials["trial_id"])
    metrics = [objective.metric for objective in results.objectives]
    columns = {metric: _values(results, rows, metric) for metric in metrics}
    return pd.DataFrame(columns, index=rows.index)


def epoch_violations(results: Results) -> npt.NDArray[np.float64]:
    """How far each row of `epochs` is beyond the bounds of the objectives, in all; 0 within all of them.

    Args:
        results: A study's results.

    Returns:
        One number for each row, in the units of the objectives, 0 or more.
    """
    epochs = results.epochs
    return total_violations(results.objectives, lambda one: _values(results, epochs, one.metric), rows=len(epochs))


def pareto_front(results: Results) -> list[FrontPoint]:
    """The trials on the front of a study's objectives, the best in the first one first.

    Failed trials are not on it, nor are those beyond a bound.

    Args:
        results: A study's results.
    """
    values = objective_values(results)
    matrix = values.to_numpy(np.float64).copy()
    matrix[((results.trials["state"] == "failed") | (results.trials["violation"] > 0)).to_numpy()] = np.nan
    undominated = on_front(matrix, [objective.mode for objective in results.objectives])
    places = {trial: place for place, trial in enumerate(ranked(results))}
    best_epochs = dict(zip(results.trials["trial_id"], results.trials["best_epoch"], strict=True))
    points = [
        FrontPoint(str(trial), int(best_epochs[trial]), dict(zip(values.columns, row, strict=True)))
        for trial, row in zip(values.index[undominated], matrix[undominated].tolist(), strict=True)
    ]
    return sorted(points, key=lambda point: places[point.trial_id])


def _values(results: Results, rows: pd.DataFrame, metric: str) -> npt.NDArray[np.float64]:
    """An objective's values: those of the metric, or of the measured column of that name."""
    column = objective_column(metric, results)
    if column not in rows:
        return np.full(len(rows), np.nan)
    values: npt.NDArray[np.float64] = rows[column].to_numpy(np.float64, na_value=np.nan)
    return values
