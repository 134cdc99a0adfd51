"""Pictures of a study: each function draws its first argument into axes, and returns them."""

from pipeline.results.plots.curves import best_so_far, learning_curves, trial_curve
from pipeline.results.plots.parameters import (
    importance_bars,
    objective_against,
    parallel_coordinates,
)
from pipeline.results.plots.style import style
from pipeline.results.plots.trials import rungs, trade_off

__all__ = [
    "best_so_far",
    "importance_bars",
    "learning_curves",
    "objective_against",
    "parallel_coordinates",
    "rungs",
    "style",
    "trade_off",
    "trial_curve",
]
