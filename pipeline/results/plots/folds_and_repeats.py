"""Trials of several models: their mean, and the spread of folds and repeats."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pipeline.results.analysis.parameters import format_value, tuned
from pipeline.results.analysis.queries import spreads
from pipeline.results.plots.style import ACCENT, INK, MUTED, axis_limits, plain_numbers, remove_frame
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import configs_at_best
from pipeline.text import format_number


def deviations(results: Results, ax: Axes) -> Axes:
    """Draw each trial's mean, a standard deviation to both sides, and a point for every model."""
    remove_frame(ax, keep=("bottom",))
    ax.grid(True, axis="x")
    shown = spreads(results).to_pylist()
    for row, spread in zip(range(len(shown), 0, -1), shown, strict=True):
        colour = ACCENT if row == len(shown) else MUTED
        ax.plot(
            [spread["mean"] - spread["std"], spread["mean"] + spread["std"]], [row, row], color=colour, lw=6, alpha=0.35
        )
        ax.plot(spread["each"], np.full(len(spread["each"]), row), "o", color=colour, ms=3.5, mew=0, alpha=0.8)
        ax.plot(spread["mean"], row, "|", color=colour, ms=13, mew=2.2)
        ax.annotate(
            f"{format_number(spread['mean'])} ± {spread['std']:.2g}", (1, row), (6, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points", va="center", color=ACCENT if row == len(shown) else INK, fontsize=8.5,
        )  # fmt: skip
    limits = _limits(shown, results.objective.mode)
    if limits is not None:
        ax.set_xlim(limits)
    ax.set_yticks(range(len(shown), 0, -1), [label_of(results, spread["trial_id"]) for spread in shown])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(0.3, len(shown) + 0.7)
    ax.set_xlabel(results.objective.metric)
    plain_numbers(ax.xaxis)
    return ax


def label_of(results: Results, trial_id: str) -> str:
    """What a trial's row is called: its value of a study's only hyperparameter, else its id."""
    names = tuned(results)
    return format_value(configs_at_best(results, [trial_id])[trial_id].get(names[0])) if len(names) == 1 else trial_id


def _limits(shown: list[dict[str, Any]], mode: str) -> tuple[float, float] | None:
    """Axis limits for the better three quarters; trials outside of them are shown as numbers at the side."""
    better = shown[: -(-3 * len(shown) // 4)]
    whole, front = (axis_limits([value for one in some for value in one["each"]], mode) for some in (shown, better))
    if whole is None or front is None:
        return whole
    return whole if whole[1] - whole[0] < 4 * (front[1] - front[0]) else front
