"""The points of a picture that belong to trials, with which a page names the trial under the pointer."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.results.analysis.parameters import OBJECTIVE, TRIAL, axis_positions, scored_with
from pipeline.results.analysis.queries import rises
from pipeline.results.plots.rungs import epochs_by_trial, rows_of_rungs
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import objective_values
from pipeline.storage.schema import metric_column

HoverPoint = tuple[str, float, float]
"""A trial, and a place of it in data coordinates of the picture."""

_MAX_POINTS = 3000
"""More points than these make a page heavy, and lie on top of each other."""


def of_learning_curves(results: Results) -> Sequence[HoverPoint]:
    """Each epoch of each trial; only the last ones where that is too many."""
    column = metric_column(results.objective.metric)
    rows = results.epochs[["trial_id", "epoch", column]][np.isfinite(results.epochs[column])]
    if len(rows) > _MAX_POINTS:
        rows = rows.drop_duplicates("trial_id", keep="last")
    return _few(rows["trial_id"], rows["epoch"], rows[column])


def of_objective_against(results: Results, parameter: str) -> Sequence[HoverPoint]:
    """Each trial's best value at its value of a hyperparameter."""
    rows = scored_with(results, parameter)
    if len(rows) > _MAX_POINTS:
        return []
    places = axis_positions(results.space[parameter], rows[parameter], spread=True)
    return _few(rows[TRIAL], places, rows[OBJECTIVE])


def of_rungs(results: Results) -> Sequence[HoverPoint]:
    """Each trial's last epoch, and its bar's middle."""
    epochs, rows = epochs_by_trial(results), rows_of_rungs(results)
    if len(rows) > _MAX_POINTS:
        return []
    long = [trial for trial in rows if epochs[trial] > 1]
    ends, middles = (epochs[trial] for trial in rows), (epochs[trial] / 2 for trial in long)
    return _few([*rows, *long], [*ends, *middles], [*rows.values(), *(rows[trial] for trial in long)])


def of_trade_off(results: Results, metric: str) -> Sequence[HoverPoint]:
    """Each trial at its values of two objectives."""
    rows = objective_values(results)[[metric, results.objective.metric]].dropna()
    return _few(rows.index, rows.iloc[:, 0], rows.iloc[:, 1])


def of_best_so_far(results: Results) -> Sequence[HoverPoint]:
    """Each epoch that was the best so far."""
    rows = rises(results).to_pandas()
    return _few(rows["trial_id"], rows["seconds"], rows["best"])


def _few(trials: Any, x: Any, y: Any) -> Sequence[HoverPoint]:
    """Points from columns of one length; none where there are too many."""
    if len(trials) > _MAX_POINTS:
        return []
    return [(str(trial), float(across), float(up)) for trial, across, up in zip(trials, x, y, strict=True)]
