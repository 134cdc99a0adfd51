"""Trials beside each other: how far each came, whose weights it took, its objectives."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import FancyArrowPatch
from matplotlib.ticker import MaxNLocator

from pipeline.results.analysis import queries
from pipeline.results.analysis.parameters import spans_decades
from pipeline.results.palette import ACCENT, BAD, GRID, MUTED, PAPER, SECOND
from pipeline.results.plots.style import (
    BITMAP,
    by_decade,
    mark_axis,
    mark_trials,
    plain_numbers,
    remove_frame,
)
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import (
    objective_columns,
    objective_values,
    on_front,
    pareto_front,
    ranked,
)
from pipeline.text import format_number

_MAX_NAMED = 40
"""The maximum number of trials whose rows have names."""


def rungs(results: Results, ax: Axes) -> Axes:
    """Draw how far each trial came, and the rungs at which trials were compared."""
    remove_frame(ax, keep="bottom")
    at, epochs = queries.rungs(results).to_pylist(), _epochs(results)
    rows = _rows(ax, [trial for trial in ranked(results) if epochs[trial] > 0 or len(epochs) <= _MAX_NAMED])
    states = dict(zip(results.trials["trial_id"].tolist(), results.trials["state"].tolist(), strict=True))
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


def lineage(results: Results, ax: Axes) -> Axes:
    """Draw the population over its epochs: which trial copied whose weights, and where the best model came from."""
    remove_frame(ax, keep="bottom")
    rows, epochs, segments = _rows(ax, ranked(results)), _epochs(results), queries.ancestry(results)
    bars = [[(0, row), (epochs[trial], row)] for trial, row in rows.items()]
    ax.add_collection(LineCollection(bars, colors=MUTED, linewidths=1.6, alpha=0.55), autolim=False)
    on_path = {(old["trial_id"], old["until"], new["trial_id"], new["after"]) for old, new in pairwise(segments)}
    for copy in queries.exploits(results).to_pylist():
        trial, epoch, donor, at = (copy[key] for key in ("trial_id", "epoch", "parent_trial", "parent_epoch"))
        if not {donor, trial} <= set(rows):
            continue  # not among the trials that are shown
        best = (donor, at, trial, epoch) in on_path
        # Not as a patch, which would be measured for limits that are set below.
        ax.add_artist(
            FancyArrowPatch(
                (at, rows[donor]), (epoch, rows[trial]), arrowstyle="-|>", mutation_scale=11 if best else 8,
                connectionstyle="arc3,rad=0.18", shrinkA=2, shrinkB=3, color=ACCENT if best else SECOND,
                lw=2.2 if best else 1.0, alpha=1 if best else 0.65, zorder=5 if best else 3,
            )
        )  # fmt: skip
    for segment in segments:
        row = rows.get(segment["trial_id"], math.nan)
        ax.plot([segment["after"], segment["until"]], [row, row], color=ACCENT, lw=3.4, zorder=4)
    if results.best is not None:
        place = results.best.epoch, rows[results.best.trial_id]
        ax.plot(*place, "o", color=ACCENT, ms=7, mec=PAPER, zorder=6)
        ax.annotate(
            format_number(results.best.value), place, (0, 7), textcoords="offset points", ha="right", va="bottom",
            color=ACCENT, weight="bold",
        )  # fmt: skip
    mark_trials(ax, list(rows), [epochs[trial] for trial in rows], list(rows.values()))
    ax.set_xlim(0, max([1, *epochs.values()]) * 1.03)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set_xlabel("epoch of each trial")
    return ax


def trade_off(results: Results, ax: Axes, metric: str) -> Axes:
    """Draw the first objective of every trial against another one, with the front."""
    values, first = objective_values(results), results.objective.metric
    x, y = values[metric].to_numpy(np.float64), values[first].to_numpy(np.float64)
    states, known = results.trials["state"].to_numpy(), np.isfinite(x) & np.isfinite(y)
    failed, early = states == "failed", states == "stopped"
    front = np.isin(values.index, [point.trial_id for point in pareto_front(results)])
    winner = values.index == (results.best.trial_id if results.best else None)
    look: dict[str, Any] = {"ls": "", "marker": "o", "ms": 5, "rasterized": len(values) > BITMAP}
    for which, colour, layer in ((~front, MUTED, 2), (front, ACCENT, 4)):
        hollow, filled = known & which & early & ~failed, known & which & ~early & ~failed
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
    points = np.column_stack([x, y])[known & ~failed & results.trials["violation"].eq(0).to_numpy()]
    corners = points[on_front(points, [modes[metric], modes[first]])]
    corners = corners[np.lexsort(corners.T[::-1])]
    # A stair runs on at its corner's height until the next corner is reached; from which side depends on the modes.
    where = "post" if modes[metric] == "min" else "pre"
    ax.step(*corners.T, where=where, color=ACCENT, lw=1.2, alpha=0.6, zorder=1)  # type: ignore[arg-type]
    mark_trials(ax, values.index[known].tolist(), x[known], y[known])
    mark_axis(ax, "x", objective_columns(results)[metric])
    mark_axis(ax, "y", "objective")
    ax.set_xlabel(metric)
    ax.set_ylabel(first)
    plain_numbers(ax.yaxis)
    return ax


def _rows(ax: Axes, trials: Sequence[str]) -> dict[str, int]:
    """The height of each trial's row, the first above; few rows have names."""
    rows = {trial: len(trials) - 1 - place for place, trial in enumerate(trials)}
    if len(rows) <= _MAX_NAMED:
        ax.set_yticks(list(rows.values()), list(rows), fontsize=min(9, 300 / max(len(rows), 1)))
        ax.tick_params(axis="y", length=0)
    else:
        ax.set_yticks([])
        ax.set_ylabel(f"{len(rows)} trials, the best above")
    ax.set_ylim(-0.8, max(len(rows), 1) - 0.2)
    return rows


def _epochs(results: Results) -> Mapping[str, int]:
    """The epochs that each trial trained."""
    # Lists: pandas reads a column of text value by value.
    return dict(zip(results.trials["trial_id"].tolist(), results.trials["epochs"].tolist(), strict=True))
