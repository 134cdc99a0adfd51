"""Pictures of a study: each function draws its first argument into axes, and returns them."""

from pipeline.results.plots.curves import (
    against_cost,
    best_against,
    best_so_far,
    comparison_picture,
    learning_curves,
    learning_rates,
    trial_curve,
)
from pipeline.results.plots.parameters import (
    importance_bars,
    landscape,
    objective_against,
    parallel_coordinates,
    partial_dependence,
)
from pipeline.results.plots.style import style
from pipeline.results.plots.trials import deviations, lineage, rungs, schedule, trade_off, trajectories

__all__ = [
    "against_cost",
    "best_against",
    "best_so_far",
    "comparison_picture",
    "deviations",
    "importance_bars",
    "landscape",
    "learning_curves",
    "learning_rates",
    "lineage",
    "objective_against",
    "parallel_coordinates",
    "partial_dependence",
    "rungs",
    "schedule",
    "style",
    "trade_off",
    "trajectories",
    "trial_curve",
]
