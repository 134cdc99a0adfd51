"""Trials beside each other: how far each came, and its objectives."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from pipeline.results.analysis import queries
from pipeline.results.analysis.parameters import spans_decades
from pipeline.results.palette import ACCENT, BAD, GRID, MUTED, PAPER, SECOND
from pipeline.results.plots.style import BITMAP, by_decade, mark_axis, mark_trials, plain_numbers, remove_frame
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import FRONT, board, objective_columns, on_front

_MAX_NAMED = 40
"""The maximum number of trials whose rows have names."""


def rungs(results: Results, ax: Axes) -> Axes:
    """Draw how far each trial came, and the rungs at which trials were compared."""
    remove_frame(ax, keep="bottom")
    at, found = queries.rungs(results).to_pylist(), board(results)
    # Lists: pandas reads a column of text value by value.
    ids = found["trial_id"].to_pylist()
    epochs = dict(zip(ids, found["epochs"].to_pylist(), strict=True))
    states = dict(zip(ids, found["state"].to_pylist(), strict=True))
    shown = [trial for trial in ids if epochs[trial] > 0 or len(ids) <= _MAX_NAMED]
    rows = {trial: len(shown) - 1 - place for place, trial in enumerate(shown)}
    if len(rows) <= _MAX_NAMED:
        ax.set_yticks(list(rows.values()), shown, fontsize=min(9, 300 / max(len(rows), 1)))
        ax.tick_params(axis="y", length=0)
    else:
        ax.set_yticks([])
        ax.set_ylabel(f"{len(rows)} trials, the best above")
    ax.set_ylim(-0.8, max(len(rows), 1) - 0.2)
    width, many = float(np.clip(110 / max(len(rows), 1), 0.7, 5)), len(rows) > BITMAP
    looks = {"stopped": (MUTED, "|", 0.6), "failed": (BAD, "x", 0.8), "": (ACCENT, "o", 1.0)}
    for kind, (colour, marker, alpha) in looks.items():
        mine = [trial for trial in rows if (states[trial] if states[trial] in looks else "") == kind]
        ends = np.array([[epochs[trial], rows[trial]] for trial in mine], np.float64).reshape(-1, 2)
        bars = LineCollection(
            list(np.stack([ends * (0, 1), ends], axis=1)), colors=colour, linewidths=width, alpha=alpha,
            capstyle="butt", rasterized=many,
        )  # fmt: skip
        ax.add_collection(bars, autolim=False)
        ax.plot(*ends.T, marker, color=colour, ms=min(width + 3, 6), mew=1.5, zorder=4, clip_on=False, rasterized=many)
    mark_trials(ax, list(rows), [epochs[trial] for trial in rows], list(rows.values()))
    last, ticks = max([1, *epochs.values()]), [row["rung"] for row in at]
    if last > 12 and at:
        # Rungs grow by a factor: on a logarithmic axis they lie side by side, and bars still begin at 0.
        ax.set_xscale("function", functions=(np.log1p, np.expm1))
        ax.set_xlim(0, last * 1.08)
        ax.set_xticks(sorted({0, *ticks} | ({last} if last > 1.4 * max(ticks) else set())))
    else:
        ax.set_xlim(0, last * 1.04)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    look: dict[str, Any] = {"textcoords": "offset points", "va": "bottom", "color": SECOND}
    for row in at:
        ax.axvline(row["rung"], color=GRID, lw=1.2, zorder=0)
        place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "ha": "center", "weight": "bold"}
        ax.annotate(str(row["stopped"]), (row["rung"], 1), (0, 3), **place, **look)
    if at:
        ax.annotate("stopped", (0, 1), (-4, 3), xycoords="axes fraction", ha="right", **look)
    ax.set_xlabel("epochs")
    return ax


def trade_off(results: Results, ax: Axes, metric: str) -> Axes:
    """Draw the first objective of every trial against another one, with the front."""
    found, first = board(results), results.objective.metric
    x, y = (found[name].to_numpy().astype(np.float64) for name in (objective_columns(results)[metric], "objective"))
    ids, states = (np.array(found[name].to_pylist(), object) for name in ("trial_id", "state"))
    front = np.array(found[FRONT].to_pylist(), bool)
    known, failed, early = np.isfinite(x) & np.isfinite(y), states == "failed", states == "stopped"
    winner = ids == (results.best.trial_id if results.best else "")
    look: dict[str, Any] = {"ls": "", "marker": "o", "rasterized": len(x) > BITMAP}
    for which, colour, layer in ((~front, MUTED, 2), (front, ACCENT, 4)):
        look["ms"] = 3 + layer
        hollow, filled = known & which & early, known & which & ~early & ~failed
        ax.plot(x[hollow], y[hollow], mec=colour, mfc=PAPER, mew=1.1, zorder=layer, **look)
        ax.plot(x[filled], y[filled], mec=PAPER, mfc=colour, mew=0.4, zorder=layer, **look)
    ax.plot(x[known & failed], y[known & failed], "x", color=BAD, ms=6, mew=1.6, zorder=3)
    ax.plot(x[known & winner], y[known & winner], "o", color=ACCENT, ms=9, mec=PAPER, mew=1, zorder=5)
    if known.any() and spans_decades(low := float(x[known].min()), high := float(x[known].max())):
        ax.set_xscale("log")
        by_decade(ax.xaxis, low, high)
    else:
        plain_numbers(ax.xaxis)
    # The stairs along the front of these two objectives alone.
    modes = {objective.metric: objective.mode for objective in results.objectives}
    points = np.column_stack([x, y])[known & ~failed & (found["violation"].to_numpy() == 0)]
    corners = points[on_front(points, [modes[metric], modes[first]])]
    corners = corners[np.lexsort(corners.T[::-1])]
    # A stair runs on at its corner's height until the next corner is reached; from which side depends on the modes.
    where = "post" if modes[metric] == "min" else "pre"
    ax.step(*corners.T, where=where, color=ACCENT, lw=1.2, alpha=0.6, zorder=1)  # type: ignore[arg-type]
    mark_trials(ax, ids[known].tolist(), x[known], y[known])
    mark_axis(ax, "x", objective_columns(results)[metric])
    mark_axis(ax, "y", "objective")
    ax.set_xlabel(metric)
    ax.set_ylabel(first)
    plain_numbers(ax.yaxis)
    return ax
