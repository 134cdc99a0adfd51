"""Two objectives of a study against each other."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pipeline.results.analysis.parameters import spans_decades
from pipeline.results.plots.style import ACCENT, BAD, MUTED, PAPER, by_decade, plain_numbers
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import objective_values, on_front, pareto_front


def trade_off(results: Results, ax: Axes, metric: str) -> Axes:
    """Draw the first objective of every trial against another one, with the front."""
    values, first = objective_values(results), results.objective.metric
    x, y = values[metric].to_numpy(np.float64), values[first].to_numpy(np.float64)
    states = results.trials["state"].to_numpy()
    failed, early = states == "failed", states == "stopped"
    known = np.isfinite(x) & np.isfinite(y)
    names = {point.trial_id for point in pareto_front(results)}
    front = np.array([trial in names for trial in values.index], np.bool_)
    winner = values.index.to_numpy() == (results.best.trial_id if results.best else None)
    look: dict[str, Any] = {"ls": "", "marker": "o", "ms": 5, "rasterized": len(values) > 1000}
    for which, colour, layer in ((~front, MUTED, 2), (front, ACCENT, 4)):
        hollow, filled = known & which & early & ~failed, known & which & ~early & ~failed
        ax.plot(x[hollow], y[hollow], mec=colour, mfc=PAPER, mew=1.1, zorder=layer, **look)
        ax.plot(x[filled], y[filled], mec=PAPER, mfc=colour, mew=0.4, zorder=layer, **look)
    ax.plot(x[known & failed], y[known & failed], "x", color=BAD, ms=6, mew=1.6, zorder=3)
    ax.plot(x[known & winner], y[known & winner], "o", color=ACCENT, ms=9, mec=PAPER, mew=1, zorder=5)
    seen = x[known]
    if len(seen) and spans_decades(float(seen.min()), float(seen.max())):
        ax.set_xscale("log")
        by_decade(ax.xaxis, float(seen.min()), float(seen.max()))
    else:
        plain_numbers(ax.xaxis)
    modes = {objective.metric: objective.mode for objective in results.objectives}
    within = results.trials["violation"].eq(0).to_numpy()
    _bound(ax, np.column_stack([x, y])[known & ~failed & within], [modes[metric], modes[first]])
    ax.set_xlabel(metric)
    ax.set_ylabel(first)
    plain_numbers(ax.yaxis)
    return ax


def _bound(ax: Axes, points: np.ndarray, modes: list[str]) -> None:
    """Draw the stairs along the front of two objectives alone."""
    corners = points[on_front(points, modes)]
    corners = corners[np.lexsort(corners.T[::-1])]
    # A stair runs on at its corner's height until the next corner is reached; from which side depends on the modes.
    where = "post" if modes[0] == "min" else "pre"
    ax.step(corners[:, 0], corners[:, 1], where=where, color=ACCENT, lw=1.2, alpha=0.6, zorder=1)  # type: ignore[arg-type]
