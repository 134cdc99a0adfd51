"""Values over epochs and time: of the trials of a study, and of one trial."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from pipeline.results.analysis.queries import reached, rises
from pipeline.results.palette import ACCENT, BAD, MAX_POINTS, MUTED, SECOND
from pipeline.results.plots.style import BOX, mark_trials, plain_numbers, show_values, some_of
from pipeline.results.tables.load import Results
from pipeline.storage.schema import metric_column
from pipeline.text import format_number

_BITMAP = 20_000
"""More points than these become a bitmap within the picture."""


def learning_curves(results: Results, ax: Axes, column: str = "") -> Axes:
    """Draw a metric of every trial by epoch, the objective unless given; of the best one the training metric too."""
    objective = metric_column(results.objective.metric)
    column = column or objective
    epochs, best = results.epochs, results.best
    if column not in epochs:
        epochs = epochs.assign(**{column: np.nan})
    _lines(ax, epochs, column)
    show_values(ax, epochs[column], results.objective.mode if column == objective else "min")
    _label_epochs(ax, epochs)
    ax.set_ylabel(column)
    failed = results.trials.loc[results.trials["state"] == "failed", "trial_id"]
    ends = epochs[np.isfinite(epochs[column])].drop_duplicates("trial_id", keep="last")
    last = ends[ends["trial_id"].isin(failed)]
    ax.plot(last["epoch"], last[column], "x", color=BAD, ms=6, mew=1.6, rasterized=len(last) > MAX_POINTS)
    mark_trials(ax, ends["trial_id"].tolist(), ends["epoch"].tolist(), ends[column].tolist())
    if best is None:
        return ax
    mine = epochs[epochs["trial_id"] == best.trial_id]
    ax.plot(mine["epoch"], mine[column], color=ACCENT, lw=2.4, zorder=5)
    train = column.removeprefix("val_")
    if train != column and train in mine and np.isfinite(mine[train]).any():
        ax.plot(mine["epoch"], mine[train], color=SECOND, lw=1.8, ls=(0, (4, 2)), zorder=4)
        above = 6 if mine[column].iloc[-1] >= mine[train].iloc[-1] else -6
        _label_end(ax, mine, train, "training", SECOND, -above)
        _label_end(ax, mine, column, "validation", ACCENT, above)
    if column == objective:
        _name(ax, f"trial {best.trial_id}: {format_number(best.value)}", best.epoch, best.value, results.objective.mode)
    return ax


def trial_curve(results: Results, ax: Axes, trial_id: str, column: str) -> Axes:
    """Draw a metric of one trial epoch by epoch."""
    mine = results.epochs[results.epochs["trial_id"] == trial_id]
    ax.plot(mine["epoch"], mine[column], "-o", color=ACCENT, lw=2, ms=3)
    ax.set_title(column, weight="bold", fontsize=9.5)
    _label_epochs(ax, mine)
    plain_numbers(ax.yaxis)
    return ax


def best_so_far(results: Results, ax: Axes) -> Axes:
    """Draw the study's best value against the seconds a driver was alive, over what each epoch reached."""
    mode, (seconds, values) = results.objective.mode, (column.to_numpy() for column in reached(results).columns)
    ax.set_xlabel("seconds since the study's start")
    plain_numbers(ax.xaxis)
    ax.set_ylabel(f"best {results.objective.metric} so far")
    found = rises(results)
    if not len(values) or not found.num_rows:
        return ax
    times, best = found["seconds"].to_numpy(), found["best"].to_numpy()
    end = max(results.seconds, float(seconds[-1]))
    ax.step([*times, end], [*best, best[-1]], where="post", color=ACCENT, lw=2.2, zorder=4)
    ax.plot(times, best, "o", color=ACCENT, ms=4.5, zorder=5)
    mark_trials(ax, found["trial_id"].to_pylist(), times, best)
    show_values(ax, values, mode)
    # Not from 0: a phone shows the left half, which would be empty while Ray starts.
    ax.set_xlim(left=max(0, 1.05 * times[0] - 0.05 * end))
    shown, look = some_of(len(values), _BITMAP), dict[str, Any](alpha=0.55, rasterized=len(values) > _BITMAP)
    ax.plot(seconds[shown], values[shown], "o", color=MUTED, ms=3.5, mew=0, zorder=2, **look)
    _name(ax, format_number(float(best[-1])), end, float(best[-1]), mode)
    return ax


def _tracks(rows: pd.DataFrame, columns: Sequence[str]) -> list[npt.NDArray[np.float64]]:
    """Columns of rows as one array for each trial; of very many some."""
    if not len(rows):
        return []
    # Pandas' groupby makes a frame of each: a hundred times as long.
    trials = rows["trial_id"].to_numpy()
    edges = np.concatenate([[0], np.flatnonzero(trials[1:] != trials[:-1]) + 1, [len(rows)]])
    values = rows[list(columns)].to_numpy(np.float64)
    return [values[edges[track] : edges[track + 1]] for track in some_of(len(edges) - 1)]


def _lines(ax: Axes, epochs: pd.DataFrame, column: str) -> None:
    """Every trial as a thin line with a point at its end."""
    curves = _tracks(epochs[np.isfinite(epochs[column])], ["epoch", column])
    if not curves:
        return
    points = np.concatenate(curves)
    look: dict[str, Any] = {"alpha": 0.75 if len(curves) < 40 else 0.45, "rasterized": len(points) > _BITMAP}
    # The limits of all points together: matplotlib would transform each line for them.
    ax.add_collection(LineCollection(curves, colors=MUTED, linewidths=1.0, **look), autolim=False)
    ax.update_datalim(points)
    # Opaque: a trial of one epoch is a point alone.
    ax.plot(*np.array([track[-1] for track in curves]).T, "o", color=MUTED, ms=4.5, mew=0, **look | {"alpha": 1})
    ax.autoscale_view()


def _label_epochs(ax: Axes, epochs: pd.DataFrame) -> None:
    last = int(epochs["epoch"].max()) if len(epochs) else 1
    ax.set_xlim(0.7 if last > 1 else 0.5, last + (0.02 * last if last > 1 else 0.5))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set_xlabel("epoch")


def _label_end(ax: Axes, rows: pd.DataFrame, column: str, name: str, colour: str, shift: int) -> None:
    """Name a line at its right end, above or below it by `shift`."""
    known = rows[np.isfinite(rows[column])]
    place = known["epoch"].iloc[-1], float(np.clip(known[column].iloc[-1], *ax.get_ylim()))
    look: dict[str, Any] = {"va": "center", "color": colour, "annotation_clip": False}
    ax.annotate(name, place, (8, shift), textcoords="offset points", **look)


def _name(ax: Axes, text: str, x: float, y: float, mode: str) -> None:
    """Write the best value at its point, on the side where no other value is; 0 is the end of a logarithmic axis."""
    low, high = ax.get_ylim()
    at = low if ax.get_yscale() == "log" and y <= 0 else y
    above = mode == "max" or at == low
    if ax.get_yscale() != "log":
        margin = 0.12 * (high - low)
        ax.set_ylim(min(low, y - margin * (not above)), max(high, y + margin * above))
    ax.plot(x, at, "o", color=ACCENT, ms=6, zorder=6)
    ax.annotate(
        text, (x, at), (0, 9 if above else -9), textcoords="offset points",
        ha="right" if x > sum(ax.get_xlim()) / 2 else "left", va="bottom" if above else "top", color=ACCENT,
        weight="bold", zorder=7, bbox=BOX,
    )  # fmt: skip
