"""Trials that are several models: their mean, and how far folds and repeats lie apart."""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from pipeline.results.leaderboard import configs_at_best, ranked
from pipeline.results.load import Results
from pipeline.results.numbers import format_number, format_value
from pipeline.results.plots.space import tuned
from pipeline.results.plots.style import ACCENT, INK, MUTED, bare, plainly, window
from pipeline.storage.schema import metric_column

__all__ = ["Spread", "deviations", "spreads"]

_MOST = 32


@dataclass(frozen=True, slots=True)
class Spread:
    """A trial's objective over its models, at its best epoch.

    Args:
        trial_id: The trial.
        label: Its config, or its id where the config is long.
        mean: Their mean.
        std: Their standard deviation.
        each: Every model's own value.
    """

    trial_id: str
    label: str
    mean: float
    std: float
    each: npt.NDArray[np.float64]


def spreads(results: Results) -> list[Spread]:
    """Trials with several models and a value, the best first, at most 32; none where a trial is one model."""
    column = metric_column(results.objective.metric)
    if f"{column}_std" not in results.epochs:
        return []
    own = [name for name in results.epochs if re.fullmatch(rf"{column}_(fold\d+|repeat\d+)(_repeat\d+)?", str(name))]
    at_best = results.epochs.merge(results.trials[["trial_id", "best_epoch"]], on="trial_id")
    at_best = at_best[(at_best["epoch"] == at_best["best_epoch"]) & np.isfinite(at_best[column].to_numpy(np.float64))]
    rows = at_best.set_index("trial_id")
    names, configs = tuned(results), configs_at_best(results)
    found = []
    for trial in [trial for trial in ranked(results) if trial in rows.index][:_MOST]:
        label = format_value(configs[trial].get(names[0], "–")) if len(names) == 1 else trial
        each = rows.loc[trial, own].to_numpy(np.float64)
        found.append(
            Spread(trial, label, float(rows.loc[trial, column]), float(rows.loc[trial, f"{column}_std"]), each)
        )
    return found


def deviations(results: Results, ax: Axes) -> Axes:
    """Draw each trial's mean, a standard deviation to both sides, and a point for every model.

    Args:
        results: A study's results.
        ax: Where to draw.
    """
    bare(ax, keep=("bottom",))
    ax.grid(True, axis="x")
    found = spreads(results)
    for row, spread in zip(range(len(found), 0, -1), found, strict=True):
        colour = ACCENT if row == len(found) else MUTED
        ax.plot([spread.mean - spread.std, spread.mean + spread.std], [row, row], color=colour, lw=6, alpha=0.35)
        ax.plot(spread.each, np.full(len(spread.each), row), "o", color=colour, ms=3.5, mew=0, alpha=0.8)
        ax.plot(spread.mean, row, "|", color=colour, ms=13, mew=2.2)
        ax.annotate(
            f"{format_number(spread.mean)} ± {spread.std:.2g}", (1, row), (6, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", va="center", color=ACCENT if row == len(found) else INK, fontsize=8.5,
        )  # fmt: skip
    limits = _limits(found, results.objective.mode)
    if limits is not None:
        ax.set_xlim(limits)
    ax.set_yticks(range(len(found), 0, -1), [spread.label for spread in found])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(0.3, len(found) + 0.7)
    ax.set_xlabel(results.objective.metric)
    plainly(ax.xaxis)
    return ax


def _limits(found: list[Spread], mode: str) -> tuple[float, float] | None:
    """Limits that show how the better three quarters differ, though others lie far off: their numbers stand aside."""
    better = found[: -(-3 * len(found) // 4)]
    whole, front = (window([value for one in some for value in one.each], mode) for some in (found, better))
    if whole is None or front is None:
        return whole
    return whole if whole[1] - whole[0] < 4 * (front[1] - front[0]) else front
