"""What the objective costs: curves over the optimiser's updates, and over the seconds of training."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pipeline.results.load import Results, config_of
from pipeline.results.numbers import format_value
from pipeline.results.plots.style import ACCENT, INK, MUTED, PAPER, by_decade, plainly, window
from pipeline.storage.schema import metric_column

__all__ = ["COSTS", "against_cost", "costs", "has_costs"]

COSTS = {"updates": "updates of the weights", "seconds": "seconds of training"}
"""What an epoch may be measured by."""

_NAMED = 12


def has_costs(results: Results) -> bool:
    """Whether batch sizes differ, so that epochs of different trials are not alike, and updates were counted."""
    counted = "updates" in results.epochs and results.epochs["updates"].notna().any()
    return bool(counted) and "batch_size" in results.space and hasattr(results.space["batch_size"], "draw")


def costs(results: Results) -> pd.DataFrame:
    """The objective of every epoch with what it had cost until then.

    Returns:
        Columns trial_id, value, updates and seconds, in the order of the epochs.
    """
    rows = results.epochs[["trial_id", "updates", "seconds_train"]].copy()
    rows["value"] = results.epochs[metric_column(results.objective.metric)]
    rows["seconds"] = rows["seconds_train"].groupby(rows["trial_id"]).cumsum()
    known = rows[np.isfinite(rows["value"].to_numpy(np.float64)) & rows["updates"].notna()]
    found: pd.DataFrame = known[["trial_id", "value", "updates", "seconds"]].astype({"updates": "float64"})
    return found


def names_batches(results: Results) -> bool:
    """Whether lines are few enough to be named."""
    return int(costs(results)["trial_id"].nunique()) <= _NAMED


def against_cost(results: Results, ax: Axes, cost: str) -> Axes:
    """Draw the objective of every trial over what it had cost, on a logarithmic axis; few trials are named.

    Args:
        results: A study's results.
        ax: Where to draw.
        cost: `updates` or `seconds`.
    """
    rows = costs(results)
    best = results.best.trial_id if results.best else None
    named, shown = names_batches(results), rows.groupby("trial_id")
    sizes = {
        str(row["trial_id"]): config_of({str(name): value for name, value in row.items()}, results.space).get(
            "batch_size"
        )
        for row in results.trials.to_dict("records")
    }
    for trial, track in shown:
        mine = trial == best
        look: dict[str, Any] = {
            "color": ACCENT if mine else MUTED,
            "lw": 2.2 if mine else 1.0,
            "zorder": 5 if mine else 2,
        }
        ax.plot(track[cost], track["value"], **look)
        if named:
            ax.annotate(
                format_value(sizes[str(trial)]), (track[cost].iloc[-1], track["value"].iloc[-1]), (3, 0),
                textcoords="offset points", fontsize=8, va="center", color=ACCENT if mine else INK, zorder=6,
                bbox={"fc": PAPER, "ec": "none", "alpha": 0.6, "pad": 0.3},
            )  # fmt: skip
    positive = rows[cost][rows[cost] > 0]
    if len(positive):
        ax.set_xscale("log")
        by_decade(ax.xaxis, float(positive.min()), float(positive.max()) * 1.01)
    limits = window(rows["value"], results.objective.mode)
    if limits is not None:
        ax.set_ylim(limits)
    ax.set_xlabel(COSTS[cost])
    ax.set_ylabel(results.objective.metric)
    plainly(ax.yaxis)
    return ax
