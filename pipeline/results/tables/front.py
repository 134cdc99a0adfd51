"""Several objectives: what each trial reached in all of them, and their Pareto front."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.pareto import non_dominated
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import best_rows, ranked
from pipeline.results.tables.unique_rows import reals
from pipeline.storage import tables
from pipeline.storage.schema import metric_column
from pipeline.study.ranking import total_violations

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A trial on the front."""

    trial_id: str
    epoch: int
    values: Mapping[str, float]


def on_front(values: npt.NDArray[np.float64], modes: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which points are on the Pareto front: no other is at least as good in every objective and better in one."""
    return non_dominated(values * np.array([-1.0 if mode == "max" else 1.0 for mode in modes]))


def objective_column(metric: str, results: Results) -> str:
    """The column of a study's `epochs` that an objective is read from."""
    return tables.objective_column(metric, results.table("epochs").schema) or metric_column(metric)


def objective_values(results: Results) -> "pd.DataFrame":
    """Each trial's value of every objective at its best epoch in the first one."""
    import pandas as pd

    metrics = [objective.metric for objective in results.objectives]
    return pd.DataFrame(_at_best(results), columns=metrics, index=pd.Index(results.trials["trial_id"]))


def _at_best(results: Results) -> npt.NDArray[np.float64]:
    """What `objective_values` gives, of shape (trials, objectives)."""
    rows = best_rows(results)
    at = results.table("epochs").take(pa.array(rows, mask=rows < 0))
    return np.column_stack([_values(results, at, objective.metric) for objective in results.objectives])


def epoch_violations(results: Results) -> npt.NDArray[np.float64]:
    """How far each row of `epochs` is beyond the bounds of the objectives, in total; 0 within all of them."""
    epochs = results.table("epochs")
    return total_violations(results.objectives, lambda one: _values(results, epochs, one.metric), rows=epochs.num_rows)


def pareto_front(results: Results) -> list[FrontPoint]:
    """The trials on the front of a study's objectives, the best in the first one first.

    Failed trials are not on it, nor are those beyond a bound.
    """
    values, trials, objectives = _at_best(results), results.table("trials"), results.objectives
    values[np.asarray(pc.equal(trials["state"], "failed"), np.bool_) | (reals(trials["violation"]) > 0)] = np.nan
    undominated = on_front(values, [objective.mode for objective in objectives])
    places = {trial: place for place, trial in enumerate(ranked(results))}
    on_it = trials.select(["trial_id", "best_epoch"]).filter(pa.array(undominated)).to_pylist()
    points = [
        FrontPoint(
            row["trial_id"],
            row["best_epoch"],
            {objective.metric: value for objective, value in zip(objectives, own, strict=True)},
        )
        for row, own in zip(on_it, values[undominated].tolist(), strict=True)
    ]
    return sorted(points, key=lambda point: places[point.trial_id])


def _values(results: Results, rows: pa.Table, metric: str) -> npt.NDArray[np.float64]:
    """An objective's values: those of the metric, or of the measured column of that name."""
    column = objective_column(metric, results)
    return reals(rows[column]) if column in rows.column_names else np.full(rows.num_rows, np.nan)
