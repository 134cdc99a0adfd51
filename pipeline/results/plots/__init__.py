"""Pictures of a study: each function takes results and axes, and returns the axes."""

from pipeline.results.plots.comparison_picture import MEASURES, best_against, comparison_picture
from pipeline.results.plots.cost import against_cost
from pipeline.results.plots.effort import where_time_went
from pipeline.results.plots.explanation_plots import early_values, importance_bars, partial_dependence
from pipeline.results.plots.folds_and_repeats import deviations
from pipeline.results.plots.hyperparameters import objective_against, parallel_coordinates
from pipeline.results.plots.hypervolume import hypervolume_over_epochs
from pipeline.results.plots.learning_curves import best_so_far, learning_curves, learning_rates
from pipeline.results.plots.lineage import lineage, schedule
from pipeline.results.plots.plane import landscape, trajectories
from pipeline.results.plots.rungs import rungs
from pipeline.results.plots.style import style
from pipeline.results.plots.trade_off import trade_off

__all__ = [
    "MEASURES",
    "against_cost",
    "best_against",
    "best_so_far",
    "comparison_picture",
    "deviations",
    "early_values",
    "hypervolume_over_epochs",
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
    "where_time_went",
]
