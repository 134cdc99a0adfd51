"""Where the time went."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.text import Annotation

from pipeline.results.load import Results
from pipeline.results.plots.curves import alive_seconds
from pipeline.results.plots.style import ACCENT, GRID, INK, SECOND, THIRD, bare
from pipeline.storage.schema import SECONDS

__all__ = ["PHASES", "Effort", "effort", "where_time_went"]

PHASES = {"build": THIRD, "train": ACCENT, "evaluate": SECOND, "checkpoint": INK}
"""What an epoch's seconds were spent on, with its colour."""

_NAMED = 40
_MANY = 1000
"""With more trials than these, bars lie so near each other that they are one shape, and a bitmap within the picture."""


@dataclass(frozen=True, slots=True)
class Effort:
    """Seconds of a study, over all its workers.

    Args:
        trials: Seconds by trial (rows) and phase (columns), in the order of `results.trials`.
        workers: As the sessions say, else the most trials that were seen to work at the same time.
        idle: Seconds in which workers did nothing of this; their start is in it.
    """

    trials: pd.DataFrame
    workers: int
    idle: float

    @property
    def busy(self) -> float:
        """Seconds in which workers built, trained, evaluated or wrote checkpoints."""
        return float(self.trials.to_numpy().sum())


def effort(results: Results) -> Effort:
    """Add up the seconds of a study."""
    epochs = results.epochs
    columns = [SECONDS[phase] for phase in PHASES]
    seconds = epochs[["trial_id", *columns]].fillna(0.0).groupby("trial_id").sum()
    seconds = seconds.reindex(results.trials["trial_id"], fill_value=0.0).set_axis(list(PHASES), axis=1)
    ends = alive_seconds(results, epochs)
    starts = ends - epochs[["seconds_build", "seconds_train", "seconds_evaluate"]].fillna(0.0).sum(axis=1).to_numpy()
    # Ends before starts where both fall together: one epoch after another on one worker is one at a time. The
    # worker's and the driver's clocks, and rounding, may disagree by a little.
    moments = np.concatenate([starts + 0.01, ends])
    steps = np.concatenate([np.ones(len(starts), int), -np.ones(len(ends), int)])
    running = np.cumsum(steps[np.lexsort((steps, moments))])
    workers = max(1, int(running.max())) if len(running) else 1
    if told := [int(each["workers"]) for each in results.sessions if each.get("workers")]:
        workers = max(told)
    busy = float(seconds.to_numpy().sum())
    return Effort(seconds, workers, max(0.0, workers * results.seconds - busy))


def where_time_went(results: Results, ax: Axes) -> Axes:
    """Draw the seconds of each trial by what they were spent on, and the idle ones below.

    Args:
        results: A study's results.
        ax: Where to draw.
    """
    bare(ax, keep=("bottom",))
    ax.grid(True, axis="x")
    spent = effort(results)
    trials = spent.trials
    longest = float(trials.sum(axis=1).max()) if len(trials) else 0.0
    reach = longest * 1.15 or 1.0
    rows = np.arange(len(trials), 0, -1)
    left = np.zeros(len(trials))
    for phase, colour in PHASES.items():
        right = left + trials[phase].to_numpy()
        # One shape or collection, not a patch for each bar: those take seconds where trials are many.
        if len(trials) > _MANY:
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
    named = len(trials) <= _NAMED
    if named:
        ax.set_yticks(rows, list(trials.index), fontsize=min(9, 300 / max(len(rows), 1)))
    else:
        ax.set_yticks([])
        ax.set_ylabel(f"{len(trials)} trials, the first above")
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(0, reach)
    ax.set_ylim(below - thick / 2 - 0.1, len(trials) + 0.6)
    ax.set_xlabel("seconds")
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
        look: dict[str, Any] = {"ha": "left", "va": "bottom", "color": PHASES[phase], "weight": "bold"}
        before = ax.annotate(phase, **anchor, textcoords="offset points", **look)
