"""Where the time went."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.text import Annotation

from pipeline.results.analysis.queries import PHASES, Effort, effort
from pipeline.results.plots.rungs import MAX_BARS, MAX_NAMED
from pipeline.results.plots.style import ACCENT, GRID, INK, SECOND, THIRD, plain_numbers, remove_frame
from pipeline.results.tables.load import Results

_COLOURS = dict(zip(PHASES, (THIRD, ACCENT, SECOND, INK), strict=True))
"""Each phase's colour."""


def where_time_went(results: Results, ax: Axes, spent: Effort | None = None) -> Axes:
    """Draw the seconds of each trial by what they were spent on, and the idle ones below."""
    remove_frame(ax, keep=("bottom",))
    ax.grid(True, axis="x")
    spent = effort(results) if spent is None else spent
    trials = spent.trials.to_pandas().set_index("trial_id")
    longest = float(trials.sum(axis=1).max()) if len(trials) else 0.0
    reach = longest * 1.15 or 1.0
    rows = np.arange(len(trials), 0, -1)
    left = np.zeros(len(trials))
    for phase, colour in _COLOURS.items():
        right = left + trials[phase].to_numpy()
        # One shape or collection, not a patch for each bar: those take seconds where trials are many.
        if len(trials) > MAX_BARS:
            ax.fill_betweenx(rows, left, right, step="mid", color=colour, linewidth=0, rasterized=True)
        else:
            ax.add_collection(PolyCollection(_bars(rows, left, right), facecolors=colour, linewidths=0))
        left = right
    shown = min(spent.idle, reach)
    thick = max(0.78, len(trials) / 14)
    below = 0.5 - thick / 2 - 0.11
    ax.barh(below, shown, height=thick, color=GRID, lw=0)
    ax.annotate(
        f"idle: {spent.idle:.1f} s" + (" →" if spent.idle > reach else ""), (0, below), (5, 0),
        textcoords="offset points", va="center", ha="left", color=INK,
    )  # fmt: skip
    named = len(trials) <= MAX_NAMED
    if named:
        ax.set_yticks(rows, list(trials.index), fontsize=min(9, 300 / max(len(rows), 1)))
    else:
        ax.set_yticks([])
        ax.set_ylabel(f"{len(trials)} trials, the first above")
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(0, reach)
    ax.set_ylim(below - thick / 2 - 0.1, len(trials) + 0.6)
    ax.set_xlabel("seconds")
    plain_numbers(ax.xaxis)
    _name_phases(ax, [phase for phase in PHASES if trials[phase].sum() > 0])
    return ax


def _bars(
    rows: npt.NDArray[np.int64], left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]
) -> list[npt.NDArray[np.float64]]:
    """Corners of a bar in each row, where it has a length."""
    low, high = rows - 0.39, rows + 0.39
    corners = np.stack([left, low, right, low, right, high, left, high], axis=1).reshape(-1, 4, 2)
    return list(corners[right > left])


def _name_phases(ax: Axes, phases: list[str]) -> None:
    """The phases' names above the bars, each in its colour, side by side."""
    before: Annotation | None = None
    for phase in phases:
        anchor: dict[str, Any] = {"xy": (0, 1), "xycoords": "axes fraction", "xytext": (0, 4)}
        if before is not None:
            anchor = {"xy": (1, 0), "xycoords": before, "xytext": (10, 0)}
        look: dict[str, Any] = {"ha": "left", "va": "bottom", "color": _COLOURS[phase], "weight": "bold"}
        before = ax.annotate(phase, **anchor, textcoords="offset points", **look)
