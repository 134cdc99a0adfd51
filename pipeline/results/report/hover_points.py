"""The points of a picture that belong to trials, with which a page names the trial under the pointer."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pipeline.results.analysis.best_so_far import progress
from pipeline.results.analysis.parameters import domain_places, scored
from pipeline.results.plots.rungs import rows_of_rungs
from pipeline.results.tables.configs import given
from pipeline.results.tables.front import objective_values
from pipeline.results.tables.load import Results
from pipeline.storage.metric_column import metric_column

__all__ = ["HoverPoint", "of_best_so_far", "of_learning_curves", "of_objective_against", "of_rungs", "of_trade_off"]

HoverPoint = tuple[str, float, float]
"""A trial, and a place of it in data coordinates of the picture."""

_MOST = 3000
"""More points than these make a page heavy, and lie on top of each other."""


def of_learning_curves(results: Results) -> Sequence[HoverPoint]:
    """Each epoch of each trial; only the last ones where that is too many.

    Args:
        results: A study's results.

    Returns:
        Tuples (trial id, epoch, value of the objective).
    """
    column = metric_column(results.objective.metric)
    rows = results.epochs[np.isfinite(results.epochs[column])]
    if len(rows) > _MOST:
        rows = rows.drop_duplicates("trial_id", keep="last")
    return _few(zip(rows["trial_id"], rows["epoch"], rows[column], strict=True))


def of_objective_against(results: Results, parameter: str) -> Sequence[HoverPoint]:
    """Each trial's best value at its value of a hyperparameter.

    Args:
        results: A study's results.
        parameter: A tuned parameter's name.

    Returns:
        Tuples (trial id, position on the hyperparameter's axis, value of the objective).
    """
    rows = scored(results)
    rows = rows[given(rows[parameter])]
    places = domain_places(results.space[parameter], rows[parameter], spread=True)
    return _few(zip(rows["trial_id"], places, rows["objective"], strict=True))


def of_rungs(results: Results) -> Sequence[HoverPoint]:
    """Each trial's last epoch, and its bar's middle.

    Args:
        results: A study's results.

    Returns:
        Tuples (trial id, epoch, height of the bar as `rungs` draws it).
    """
    epochs = dict(zip(results.trials["trial_id"], results.trials["epochs"], strict=True))
    ends = [(trial, epochs[trial], row) for trial, row in rows_of_rungs(results).items()]
    return _few([*ends, *((trial, epoch / 2, row) for trial, epoch, row in ends if epoch > 1)])


def of_trade_off(results: Results, metric: str) -> Sequence[HoverPoint]:
    """Each trial at its values of two objectives.

    Args:
        results: A study's results.
        metric: The metric of an objective after the first.

    Returns:
        Tuples (trial id, value of `metric`, value of the first objective).
    """
    rows = objective_values(results)[[metric, results.objective.metric]].dropna()
    return _few(rows.itertuples(name=None))


def of_best_so_far(results: Results) -> Sequence[HoverPoint]:
    """Each epoch that was the best so far.

    Args:
        results: A study's results.

    Returns:
        Tuples (trial id, seconds that a driver was alive, value of the objective).
    """
    best_curve = progress(results).dropna(subset="best")
    rises = best_curve[best_curve["best"].diff().ne(0)]
    return _few(zip(rises["trial_id"], rises["seconds"], rises["best"], strict=True))


def _few(hover_points: Iterable[tuple[Any, Any, Any]]) -> Sequence[HoverPoint]:
    points = [(str(trial), float(x), float(y)) for trial, x, y in hover_points]
    return points if len(points) <= _MOST else []
