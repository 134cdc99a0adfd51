"""The trials' learning curves, and the study's best value over time."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from pipeline.results.analysis.parameters import TRIAL
from pipeline.results.analysis.queries import reached
from pipeline.results.plots.axes import height_in_points
from pipeline.results.plots.style import (
    ACCENT,
    BAD,
    INK,
    MAX_POINTS,
    MUTED,
    PAPER,
    SECOND,
    axis_limits,
    by_decade,
    by_magnitude,
    plain_numbers,
    some_lines,
    some_points,
)
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import trials_of_epochs
from pipeline.storage.schema import metric_column
from pipeline.text import format_number

_MANY_POINTS = 20_000
"""The maximum number of lines that are drawn as vectors; more become a bitmap within the picture."""

_POINT = 3.5
"""The diameter of an epoch's point, in points."""

_LABEL_HEIGHT = 24
"""Points between the best value and the far side of its label."""


def learning_curves(results: Results, ax: Axes) -> Axes:
    """Draw the objective of every trial epoch by epoch; of the best one the training metric too."""
    column = metric_column(results.objective.metric)
    _lines(results, ax, column)
    magnitudes = by_magnitude(ax, _values(results, column), results.objective.mode)
    limits = None if magnitudes else axis_limits(_values(results, column), results.objective.mode)
    _label_epochs(ax, results)
    ax.set_ylabel(results.objective.metric)
    plain_numbers(ax.yaxis)
    failed = results.trials.loc[results.trials["state"] == "failed", "trial_id"]
    if len(failed) and column in results.epochs:
        known = results.epochs[["trial_id", "epoch", column]][np.isfinite(results.epochs[column])]
        last = known[known["trial_id"].isin(failed.tolist())].drop_duplicates("trial_id", keep="last")
        if len(last):
            # All together: a line for each of thousands takes seconds.
            look: dict[str, Any] = {"color": BAD, "ms": 6, "mew": 1.6, "label": "_failed"}
            ax.plot(last["epoch"], last[column], "x", rasterized=len(last) > MAX_POINTS, **look)
    if results.best is None:
        return ax
    best = _epochs_of(results, results.best.trial_id)
    name = "validation" if column.startswith("val_") else results.objective.metric
    labels = [(best[column].iloc[-1], name, ACCENT)]
    ax.plot(best["epoch"], best[column], color=ACCENT, lw=2.4, zorder=5)
    train = train_column(results)
    if train is not None and not np.isfinite(best[train]).any():
        # Another trial has values of it.
        train = None
    if train is not None:
        ax.plot(best["epoch"], best[train], color=SECOND, lw=1.8, ls=(0, (4, 2)), zorder=4)
        labels.append((best[train].iloc[-1], "training", SECOND))
        if limits is not None:
            known = best[train][np.isfinite(best[train])]
            limits = min(limits[0], *known.tail(2)), max(limits[1], *known)
    if limits is not None:
        ax.set_ylim(limits)
    at, lowest = _on_axis(ax, results.best.value)
    ax.plot(results.best.epoch, at, "o", color=ACCENT, ms=6, zorder=6)
    below = results.best.value < sum(ax.get_ylim()) / 2
    if train is not None:
        # On the side where the training line is not.
        training = float(best.loc[best["epoch"] == results.best.epoch, train].iloc[0])
        below = training > results.best.value if np.isfinite(training) else below
    below = below and not lowest
    if not magnitudes:
        _make_room(ax, results.best.value, below=below)
    ax.annotate(
        f"trial {results.best.trial_id}: {format_number(results.best.value)}",
        (results.best.epoch, at), (0, 9 if not below else -9), textcoords="offset points",
        ha="right" if results.best.epoch > ax.get_xlim()[1] / 2 else "left",
        va="bottom" if not below else "top", color=ACCENT, weight="bold", zorder=7,
        bbox={"fc": PAPER, "ec": "none", "alpha": 0.8, "pad": 1},
    )  # fmt: skip
    _label_ends(ax, int(best["epoch"].iloc[-1]), labels)
    return ax


def _on_axis(ax: Axes, value: float) -> tuple[float, bool]:
    """Where a value is drawn, and whether that is the lower end of a logarithmic axis, below which 0 lies."""
    lowest = bool(ax.get_yscale() == "log" and value <= 0)
    return (ax.get_ylim()[0] if lowest else value), lowest


def _make_room(ax: Axes, value: float, *, below: bool) -> None:
    """Extend the vertical axis where the label of a value would cross its edge."""
    low, high = ax.get_ylim()
    share = _LABEL_HEIGHT / height_in_points(ax)
    room = share / (1 - share) * (high - value if below else value - low)
    ax.set_ylim(*((min(low, value - room), high) if below else (low, max(high, value + room))))


def learning_rates(results: Results, ax: Axes) -> Axes:
    """Draw the learning rate in force at the end of each epoch, for every trial."""
    rates = results.epochs["learning_rate"]
    positive = rates[rates > 0]
    if len(positive):
        ax.set_yscale("log")
        low, high = positive.min() / 1.3, positive.max() * 1.3
        ax.set_ylim(low, high)
        by_decade(ax.yaxis, low, high)
    _lines(results, ax, "learning_rate", by=["segment"])
    _label_epochs(ax, results)
    ax.set_ylabel("learning rate")
    if results.best is not None:
        best = _epochs_of(results, results.best.trial_id)
        for _, rows in best.groupby("segment"):
            ax.plot(rows["epoch"], rows["learning_rate"], color=ACCENT, lw=2.4, zorder=5)
        ax.annotate(
            f"trial {results.best.trial_id}", (best["epoch"].iloc[-1], best["learning_rate"].iloc[-1]), (0, 7),
            textcoords="offset points", ha="right", va="bottom", color=ACCENT, weight="bold",
            bbox={"fc": PAPER, "ec": "none", "alpha": 0.8, "pad": 1}, zorder=6,
        )  # fmt: skip
    return ax


def best_so_far(results: Results, ax: Axes) -> Axes:
    """Draw the study's best value against the seconds a driver was alive, over what each epoch reached."""
    mode, (seconds, values) = results.objective.mode, (column.to_numpy() for column in reached(results).columns)
    ax.set_xlabel("seconds since the study's start")
    plain_numbers(ax.xaxis)
    ax.set_ylabel(f"best {results.objective.metric} so far")
    plain_numbers(ax.yaxis)
    if not len(values):
        return ax
    best = np.maximum.accumulate(values) if mode == "max" else np.minimum.accumulate(values)
    end = max(results.seconds, float(seconds[-1]))
    rises = np.flatnonzero(np.diff(best, prepend=np.nan) != 0)
    ax.step([*seconds[rises], end], [*best[rises], best[-1]], where="post", color=ACCENT, lw=2.2, zorder=4)
    ax.plot(seconds[rises], best[rises], "o", color=ACCENT, ms=4.5, zorder=5)
    limits = None if by_magnitude(ax, values, mode) else axis_limits(values, mode)
    if limits is not None:
        ax.set_ylim(limits)
    ax.set_xlim(left=0)
    many = len(values) > _MANY_POINTS
    shown = some_points(ax, seconds, values, size=_POINT) if many else slice(None)
    look: dict[str, Any] = {"alpha": 1.0 if many else 0.55, "rasterized": many}
    ax.plot(seconds[shown], values[shown], "o", color=MUTED, ms=_POINT, mew=0, zorder=2, **look)
    at, lowest = _on_axis(ax, float(best[-1]))
    above = mode == "max" or lowest
    ax.annotate(
        format_number(float(best[-1])), (end, at), (0, 6 if above else -6), textcoords="offset points",
        ha="right", va="bottom" if above else "top", color=ACCENT, weight="bold",
    )  # fmt: skip
    return ax


def train_column(results: Results) -> str | None:
    """The column with the objective's counterpart on the training split; None if there is none."""
    column = metric_column(results.objective.metric)
    other = column.removeprefix("val_")
    return other if other != column and other in results.epochs and results.epochs[other].notna().any() else None


def tracks(
    rows: pd.DataFrame,
    columns: Sequence[str],
    *,
    by: Sequence[str],
    chosen: Callable[[int], npt.NDArray[np.int64]] = np.arange,
) -> list[npt.NDArray[np.float64]]:
    """Columns of rows as one array for each trial, or for each segment of one."""
    if not len(rows):
        return []
    # Pandas' groupby makes a frame of each: a hundred times as long.
    changes = [np.flatnonzero(rows[name].ne(rows[name].shift()).to_numpy())[1:] for name in by]
    edges = np.concatenate([[0], np.unique(np.concatenate(changes)), [len(rows)]])
    values = rows[list(columns)].to_numpy(np.float64)
    return [values[edges[track] : edges[track + 1]] for track in chosen(len(edges) - 1)]


def _values(results: Results, column: str) -> np.ndarray:
    if column not in results.epochs:
        return np.full(len(results.epochs), np.nan)
    return results.epochs[column].to_numpy(np.float64)


def _epochs_of(results: Results, trial_id: str) -> pd.DataFrame:
    return results.epochs[results.epochs["trial_id"] == trial_id]


def _lines(results: Results, ax: Axes, column: str, by: Sequence[str] = ()) -> None:
    """Every trial, or part of one with one value in `by`, as a thin line with a point at its end."""
    if column not in results.epochs:
        return
    there = np.isfinite(results.epochs[column].to_numpy(np.float64))
    known = results.epochs[list(dict.fromkeys(["epoch", column, *by]))][there]
    # By the number of the trial: to compare texts takes longer.
    known = known.assign(**{TRIAL: trials_of_epochs(results)[there]})
    curves = tracks(known, ["epoch", column], by=[TRIAL, *by], chosen=some_lines)
    many = len(known) > _MANY_POINTS
    alpha = 0.75 if len(curves) < 40 else 0.45
    lines = [_without_repeats(track) if many else track for track in curves if len(track) > 1]
    collection = LineCollection(lines, colors=MUTED, linewidths=1.0, alpha=alpha, rasterized=many)
    # The limits of all points together: matplotlib would transform each line for them.
    ax.add_collection(collection, autolim=False)
    if lines:
        ax.update_datalim(np.concatenate(lines))
    ends = np.array([track[-1] for track in curves]).reshape(-1, 2)
    ax.plot(ends[:, 0], ends[:, 1], "o", color=MUTED, ms=3, mew=0, alpha=alpha, rasterized=many)
    ax.autoscale_view()


def _without_repeats(track: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A track without the points within a stretch of one value: the line is the same."""
    values = track[:, 1]
    inside = (values[1:-1] == values[:-2]) & (values[1:-1] == values[2:])
    bends: npt.NDArray[np.float64] = track[np.concatenate([[True], ~inside, [True]])]
    return bends


def _label_epochs(ax: Axes, results: Results) -> None:
    last = int(results.epochs["epoch"].max()) if len(results.epochs) else 1
    ax.set_xlim(0.7 if last > 1 else 0.5, last + (0.02 * last if last > 1 else 0.5))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set_xlabel("epoch")


def _label_ends(ax: Axes, epoch: int, labels: list[tuple[float, str, str]]) -> None:
    """Name lines at their right end, the upper one above, so that the names do not touch."""
    labels = sorted((label for label in labels if np.isfinite(label[0])), key=lambda label: -label[0])
    low, high = ax.get_ylim()
    close = len(labels) > 1 and (labels[0][0] - labels[1][0]) / (high - low) < 0.07
    for place, (value, name, colour) in enumerate(labels):
        shift = 0 if not close else (6 if place == 0 else -6)
        ax.annotate(
            name, (epoch, min(max(value, low), high)), (8, shift), textcoords="offset points",
            va="center", color=colour or INK, annotation_clip=False,
        )  # fmt: skip
