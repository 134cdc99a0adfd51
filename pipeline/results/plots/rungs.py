"""How far each trial trained, and the rungs at which trials were compared."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from pipeline.results.analysis import queries
from pipeline.results.plots.axes import spaced_ticks
from pipeline.results.plots.style import ACCENT, BAD, GRID, MUTED, SECOND, remove_frame
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import ranked

MAX_NAMED = 40
"""The maximum number of trials whose rows have names."""


MAX_BARS = 1000
"""The maximum number of trials whose bars are drawn as vectors; more become a bitmap within the picture."""


def rungs(results: Results, ax: Axes) -> Axes:
    """Draw how far each trial came, and the rungs at which trials were compared."""
    remove_frame(ax, keep=("bottom",))
    epochs, rows, at = epochs_by_trial(results), rows_of_rungs(results), queries.rungs(results).to_pylist()
    last = max([1, *epochs.values()])
    if len(at):
        ax.annotate(
            "stopped", (0, 1), (-4, 3), xycoords="axes fraction", textcoords="offset points", ha="right", va="bottom",
            color=SECOND,
        )  # fmt: skip
    _draw_bars(results, ax, rows, epochs)
    _label_rows(ax, rows)
    if last > 12 and len(at):
        # Rungs grow by a factor: on a logarithmic axis they lie side by side, and bars still begin at 0.
        ax.set_xscale("function", functions=(np.log1p, np.expm1))
        ax.set_xlim(0, last * 1.08)
        ax.set_xticks(spaced_ticks(ax, [row["rung"] for row in at], ends=(0, last)))
    else:
        ax.set_xlim(0, last * 1.04)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _draw_rungs(ax, at)
    ax.set_ylim(-0.8, max(len(rows), 1) - 0.2)
    ax.set_xlabel("epochs")
    return ax


def _draw_bars(results: Results, ax: Axes, rows: Mapping[str, int], epochs: Mapping[str, int]) -> None:
    """Draw a bar for each trial, with a mark at its end that shows how it ended."""
    states = dict(zip(results.trials["trial_id"].tolist(), results.trials["state"].tolist(), strict=True))
    many = len(rows) > MAX_BARS
    width = float(np.clip(110 / max(len(rows), 1), 0.7, 5))
    for kind, colour, marker, alpha in (
        ("stopped", MUTED, "|", 0.6),
        ("failed", BAD, "x", 0.8),
        ("", ACCENT, "o", 1.0),
    ):
        mine = [trial for trial in rows if (states[trial] if states[trial] in ("stopped", "failed") else "") == kind]
        if not mine:
            continue  # a line without a point would still take room outside of the axes
        ends = np.array([[epochs[trial], rows[trial]] for trial in mine], np.float64)
        bars = np.stack([ends * (0, 1), ends], axis=1)
        if many and alpha == 1:
            # One line with gaps: of bars that hide each other, their union is what is seen.
            x, y = np.insert(bars, 2, np.nan, axis=1).reshape(-1, 2).T
            ax.plot(x, y, color=colour, lw=width, solid_capstyle="butt", rasterized=True)
        else:
            ax.add_collection(
                LineCollection(
                    list(bars), colors=colour, linewidths=width, alpha=alpha, capstyle="butt", rasterized=many
                ),
                autolim=False,
            )
        ax.plot(
            ends[:, 0], ends[:, 1], marker, color=colour, ms=min(width + 3, 6), mew=1.5, zorder=4, clip_on=False,
            rasterized=many,
        )  # fmt: skip


def _label_rows(ax: Axes, rows: Mapping[str, int]) -> None:
    """Name each row, or say how many there are if they are many."""
    if len(rows) <= MAX_NAMED:
        ax.set_yticks(list(rows.values()), list(rows), fontsize=min(9, 300 / max(len(rows), 1)))
        ax.tick_params(axis="y", length=0)
    else:
        ax.set_yticks([])
        ax.set_ylabel(f"{len(rows)} trials, the best above")


def _draw_rungs(ax: Axes, at: Sequence[Mapping[str, int]]) -> None:
    """Draw a line at each rung, with the number of trials that were stopped there."""
    named = spaced_ticks(ax, [row["rung"] for row in at])
    for rung, stopped in ((row["rung"], row["stopped"]) for row in at):
        ax.axvline(rung, color=GRID, lw=1.2, zorder=0)
        if rung in named:
            ax.annotate(
                f"{stopped}", (rung, 1), (0, 3), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha="center", va="bottom", color=SECOND if stopped else MUTED,
                weight="bold",
            )  # fmt: skip


def rows_of_rungs(results: Results) -> dict[str, int]:
    """The height at which `rungs` draws each trial, the best first; if many, those without an epoch are left out."""
    epochs = epochs_by_trial(results)
    order = [trial for trial in ranked(results) if epochs[trial] > 0 or len(epochs) <= MAX_NAMED]
    return {trial: len(order) - 1 - place for place, trial in enumerate(order)}


def epochs_by_trial(results: Results) -> dict[str, int]:
    """The epochs that each trial trained, by trial id, in the order of `results.trials`."""
    trials = results.trials
    # Lists: pandas reads a column of text value by value.
    return dict(zip(trials["trial_id"].tolist(), trials["epochs"].tolist(), strict=True))
