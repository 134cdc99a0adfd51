"""The share of the space of several objectives that a study's trials dominate, over its epochs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.pareto import dominated_box, growing_hypervolume
from pipeline.results.analysis.best_so_far import alive_seconds
from pipeline.results.tables.front import epoch_violations, objective_column
from pipeline.results.tables.load import Results

if TYPE_CHECKING:
    import pandas as pd


_Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HypervolumeBox:
    """The box in the objectives' space whose dominated share is measured."""

    best: Mapping[str, float]
    reference: Mapping[str, float]


def box_of(studies: Sequence[Results]) -> HypervolumeBox | None:
    """The box for one study, or a common one for several of the same objectives."""
    goals = {tuple((one.metric, one.mode) for one in results.objectives) for results in studies}
    if len(goals) != 1 or len(studies[0].objectives) < 2:
        return None
    points = np.concatenate([_losses(results)[0] for results in studies])
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return None
    ideal, corner = dominated_box(points)
    objectives = studies[0].objectives
    signs = [-1.0 if one.mode == "max" else 1.0 for one in objectives]
    return HypervolumeBox(
        {one.metric: sign * float(at) for one, sign, at in zip(objectives, signs, ideal, strict=True)},
        {one.metric: sign * float(at) for one, sign, at in zip(objectives, signs, corner, strict=True)},
    )


def hypervolumes(results: Results, box: HypervolumeBox) -> "pd.DataFrame":
    """How the dominated share of a box grew, over every epoch of every trial that did not fail."""
    import pandas as pd

    losses, order = _losses(results)
    signs = np.array([-1.0 if one.mode == "max" else 1.0 for one in results.objectives])
    ideal, corner = (signs * np.array(list(at.values())) for at in (box.best, box.reference))
    scaled = (losses - ideal) / (corner - ideal)
    epochs = results.epochs
    first = ~epochs["trial_id"].iloc[order].duplicated().to_numpy()
    return pd.DataFrame(
        {
            "seconds": alive_seconds(results, epochs)[order],
            "epochs": np.arange(1, len(order) + 1),
            "trials": np.cumsum(first),
            "share": growing_hypervolume(scaled, np.ones(len(signs))),
        }
    )


def hypervolume_of(results: Results) -> tuple[HypervolumeBox, float] | None:
    """A study's own box, and the share of it that its trials dominate; None if there is no box."""
    box = box_of([results])
    return None if box is None else (box, float(hypervolumes(results, box)["share"].iloc[-1]))


def _losses(results: Results) -> tuple[_Reals, npt.NDArray[np.int64]]:
    """The losses of all epochs in order of time, NaN for those that do not count, and that order."""
    epochs = results.epochs
    columns = []
    for objective in results.objectives:
        name = objective_column(objective.metric, results)
        values = epochs[name].to_numpy(np.float64, na_value=np.nan) if name in epochs else np.full(len(epochs), np.nan)
        columns.append(-values if objective.mode == "max" else values)
    losses = np.column_stack(columns)
    failed = results.trials.loc[results.trials["state"].eq("failed"), "trial_id"]
    losses[epochs["trial_id"].isin(failed).to_numpy() | (epoch_violations(results) > 0)] = np.nan
    order = np.argsort(alive_seconds(results, epochs), kind="stable")
    return losses[order], order
