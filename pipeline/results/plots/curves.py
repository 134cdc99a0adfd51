"""Values over epochs, time and cost: of the trials of a study, of one trial, and of several studies."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.results.analysis.parameters import format_value
from pipeline.results.analysis.queries import COSTS, costs, progress, reached, rises
from pipeline.results.palette import ACCENT, BAD, INK, MAX_POINTS, MUTED, PAPER, SECOND
from pipeline.results.plots.style import (
    by_decade,
    by_magnitude,
    look_of,
    mark_trials,
    plain_numbers,
    show_range,
    some_of,
    style,
)
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import configs_at_best
from pipeline.storage.schema import metric_column
from pipeline.text import format_number

_BITMAP = 20_000
"""More points than these become a bitmap within the picture."""

_MAX_NAMED = 12
"""The maximum number of lines that are named."""

Measure = Literal["seconds", "trials", "epochs"]
MEASURES: Sequence[Measure] = ("seconds", "trials", "epochs")
"""The horizontal axes of the best value so far."""

_LABELS = {"seconds": "seconds since the start", "trials": "trials begun", "epochs": "epochs of all trials"}


def learning_curves(results: Results, ax: Axes, column: str = "") -> Axes:
    """Draw a metric of every trial by epoch, the objective unless given; of the best one the training metric too."""
    objective = metric_column(results.objective.metric)
    column = column or objective
    epochs, best, mode = results.epochs, results.best, results.objective.mode
    if column not in epochs:
        epochs = epochs.assign(**{column: np.nan})
    _lines(ax, epochs, column)
    if not by_magnitude(ax, epochs[column], mode if column == objective else "min"):
        show_range(ax, epochs[column], mode if column == objective else "min")
    _label_epochs(ax, epochs)
    ax.set_ylabel(results.metric_names.get(column, column))
    plain_numbers(ax.yaxis)
    failed = results.trials.loc[results.trials["state"] == "failed", "trial_id"]
    ends = _ends(epochs, column)
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
        _name(ax, f"trial {best.trial_id}: {format_number(best.value)}", best.epoch, best.value, mode)
    return ax


def trial_curve(results: Results, ax: Axes, trial_id: str, column: str) -> Axes:
    """Draw a metric of one trial epoch by epoch."""
    mine = results.epochs[results.epochs["trial_id"] == trial_id]
    ax.plot(mine["epoch"], mine[column], "-o", color=ACCENT, lw=2, ms=3)
    ax.set_title(results.metric_names.get(column, column), weight="bold", fontsize=9.5)
    _label_epochs(ax, mine)
    plain_numbers(ax.yaxis)
    return ax


def learning_rates(results: Results, ax: Axes) -> Axes:
    """Draw the learning rate in force at the end of each epoch, for every trial."""
    epochs = results.epochs
    _lines(ax, epochs, "learning_rate", parts=True)
    positive = epochs.loc[epochs["learning_rate"] > 0, "learning_rate"]
    if len(positive):
        ax.set_yscale("log")
        low, high = positive.min() / 1.3, positive.max() * 1.3
        ax.set_ylim(low, high)
        by_decade(ax.yaxis, low, high)
    _label_epochs(ax, epochs)
    ax.set_ylabel("learning rate")
    if results.best is not None:
        mine = epochs[epochs["trial_id"] == results.best.trial_id]
        ax.plot(mine["epoch"], mine["learning_rate"], color=ACCENT, lw=2.4, zorder=5)
    return ax


def best_so_far(results: Results, ax: Axes) -> Axes:
    """Draw the study's best value against the seconds a driver was alive, over what each epoch reached."""
    mode, (seconds, values) = results.objective.mode, (column.to_numpy() for column in reached(results).columns)
    ax.set_xlabel("seconds since the study's start")
    plain_numbers(ax.xaxis)
    ax.set_ylabel(f"best {results.objective.metric} so far")
    plain_numbers(ax.yaxis)
    found = rises(results)
    if not len(values) or not found.num_rows:
        return ax
    times, best = found["seconds"].to_numpy(), found["best"].to_numpy()
    end = max(results.seconds, float(seconds[-1]))
    ax.step([*times, end], [*best, best[-1]], where="post", color=ACCENT, lw=2.2, zorder=4)
    ax.plot(times, best, "o", color=ACCENT, ms=4.5, zorder=5)
    mark_trials(ax, found["trial_id"].to_pylist(), times, best)
    if not by_magnitude(ax, values, mode):
        show_range(ax, values, mode)
    ax.set_xlim(left=0)
    many, shown = len(values) > _BITMAP, some_of(len(values), _BITMAP)
    ax.plot(
        seconds[shown], values[shown], "o", color=MUTED, ms=3.5, mew=0, zorder=2, alpha=0.55, rasterized=many
    )  # fmt: skip
    _name(ax, format_number(float(best[-1])), end, float(best[-1]), mode)
    return ax


def against_cost(results: Results, ax: Axes, cost: str) -> Axes:
    """Draw the objective of every trial over its cost, on a logarithmic axis; few trials are named by batch size."""
    rows, best = costs(results).to_pandas(), results.best and results.best.trial_id
    tracks = dict(list(rows.groupby("trial_id")))
    configs = configs_at_best(results, list(tracks)) if len(tracks) <= _MAX_NAMED else {}
    for trial, track in tracks.items():
        colour, width = (ACCENT, 2.2) if trial == best else (MUTED, 1.0)
        ax.plot(track[cost], track["value"], color=colour, lw=width, zorder=5 if trial == best else 2)
        if size := configs.get(trial, {}).get("batch_size"):
            end = track.iloc[-1]
            ax.annotate(
                format_value(size), (end[cost], end["value"]), (3, 0), textcoords="offset points", fontsize=8,
                va="center", color=ACCENT if trial == best else INK, zorder=6,
                bbox={"fc": PAPER, "ec": "none", "alpha": 0.6, "pad": 0.3},
            )  # fmt: skip
    positive = rows[cost][rows[cost] > 0]
    if len(positive):
        ax.set_xscale("log")
        by_decade(ax.xaxis, float(positive.min()), float(positive.max()) * 1.01)
    show_range(ax, rows["value"], results.objective.mode)
    ax.set_xlabel(COSTS[cost])
    ax.set_ylabel(results.objective.metric)
    plain_numbers(ax.yaxis)
    return ax


def best_against(studies: Mapping[str, Results], ax: Axes, by: Measure) -> Axes:
    """Draw the best value so far of several studies of one objective."""
    objective = next(iter(studies.values())).objective
    curves = {name: progress(results).to_pandas().dropna(subset="best") for name, results in studies.items()}
    _steps(ax, {name: (rows[by], rows["best"]) for name, rows in curves.items()}, upwards=objective.mode == "max")
    show_range(ax, np.concatenate([rows["best"] for rows in curves.values()]), objective.mode)
    ax.set_xlabel(_LABELS[by])
    ax.set_ylabel(f"best {objective.metric} so far")
    if by != "seconds":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return ax


def comparison_picture(studies: Mapping[str, Results], form: Literal["png", "svg", "pdf"]) -> bytes:
    """Draw the best value so far against seconds, trials and epochs, side by side, as one file."""
    with style():
        figure = Figure(figsize=(15, 4.2), dpi=120)
        FigureCanvasAgg(figure)
        for by, ax in zip(MEASURES, figure.subplots(1, 3), strict=True):
            best_against(studies, ax, by)
        file = io.BytesIO()
        figure.savefig(file, format=form)
    return file.getvalue()


def _steps(ax: Axes, curves: Mapping[str, tuple[Any, Any]], *, upwards: bool) -> None:
    """A line of steps for each study, with its name where there are several."""
    for place, (name, (x, y)) in enumerate(curves.items()):
        if len(x):
            look, label = look_of(place), name if len(name) <= 32 else "…" + name[-31:]
            ax.step(x, y, where="post", lw=2, label=label.lstrip("_"), **look)
            ax.plot(x.iloc[-1], y.iloc[-1], "o", color=look["color"], ms=5)
    if len(curves) > 1 and ax.has_data():
        ax.legend(frameon=False, loc="lower right" if upwards else "upper right")
    plain_numbers(ax.yaxis)


def tracks(rows: pd.DataFrame, columns: Sequence[str], *, parts: bool) -> list[npt.NDArray[np.float64]]:
    """Columns of rows as one array for each trial, or for each segment of one; of very many some."""
    if not len(rows):
        return []
    # Pandas' groupby makes a frame of each: a hundred times as long.
    names = ["trial_id", "segment"] if parts else ["trial_id"]
    keys = [rows[name].to_numpy() for name in names]
    changed = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    edges = np.concatenate([[0], np.flatnonzero(changed) + 1, [len(rows)]])
    values = rows[list(columns)].to_numpy(np.float64)
    return [values[edges[track] : edges[track + 1]] for track in some_of(len(edges) - 1)]


def _lines(ax: Axes, epochs: pd.DataFrame, column: str, *, parts: bool = False) -> None:
    """Every trial, or segment of one, as a thin line with a point at its end."""
    curves = tracks(epochs[np.isfinite(epochs[column])], ["epoch", column], parts=parts)
    if not curves:
        return
    points = np.concatenate(curves)
    look: dict[str, Any] = {"alpha": 0.75 if len(curves) < 40 else 0.45, "rasterized": len(points) > _BITMAP}
    # The limits of all points together: matplotlib would transform each line for them.
    ax.add_collection(LineCollection(curves, colors=MUTED, linewidths=1.0, **look), autolim=False)
    ax.update_datalim(points)
    ax.plot(*np.array([track[-1] for track in curves]).T, "o", color=MUTED, ms=3, mew=0, **look)
    ax.autoscale_view()


def _ends(epochs: pd.DataFrame, column: str) -> pd.DataFrame:
    """The last row of each trial with a value."""
    known: pd.DataFrame = epochs[np.isfinite(epochs[column])]
    return known.drop_duplicates("trial_id", keep="last")


def _label_epochs(ax: Axes, epochs: pd.DataFrame) -> None:
    last = int(epochs["epoch"].max()) if len(epochs) else 1
    ax.set_xlim(0.7 if last > 1 else 0.5, last + (0.02 * last if last > 1 else 0.5))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set_xlabel("epoch")


def _label_end(ax: Axes, rows: pd.DataFrame, column: str, name: str, colour: str, shift: int) -> None:
    """Name a line at its right end, above or below it by `shift`."""
    known = rows[np.isfinite(rows[column])]
    low, high = ax.get_ylim()
    place = known["epoch"].iloc[-1], float(np.clip(known[column].iloc[-1], low, high))
    ax.annotate(
        name, place, (8, shift), textcoords="offset points", va="center", color=colour,
        annotation_clip=False,
    )  # fmt: skip


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
        weight="bold", zorder=7, bbox={"fc": PAPER, "ec": "none", "alpha": 0.8, "pad": 1},
    )  # fmt: skip
