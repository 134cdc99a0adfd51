"""Values over epochs and time: of the trials of a study, and of one trial."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import MaxNLocator

from pipeline.results.analysis.queries import reached, rises
from pipeline.results.palette import ACCENT, BAD, MAX_POINTS, MUTED, SECOND
from pipeline.results.plots.style import BOX, mark_trials, plain_numbers, show_values, some_of
from pipeline.results.tables.load import Results
from pipeline.storage.schema import metric_column
from pipeline.text import format_number

_Reals = npt.NDArray[np.float64]

_BITMAP = 20_000
"""More points than these become a bitmap within the picture."""


def learning_curves(results: Results, ax: Axes, column: str = "") -> Axes:
    """Draw a metric of every trial by epoch, the objective unless given; of the best one the training metric too."""
    objective = metric_column(results.objective.metric)
    column = column or objective
    epochs, best = results.table("epochs"), results.best
    values = _values(epochs, column)
    known, trials = np.isfinite(values), pc.dictionary_encode(epochs["trial_id"].combine_chunks())
    of, points = trials.indices.to_numpy()[known], np.column_stack([_values(epochs, "epoch"), values])[known]
    # Where the rows of a trial begin, and the end of all rows.
    edges = np.flatnonzero(np.diff(of, prepend=-1, append=-1))
    _lines(ax, [points[edges[track] : edges[track + 1]] for track in some_of(max(len(edges) - 1, 0))])
    show_values(ax, values, results.objective.mode if column == objective else "min")
    _label_epochs(ax, epochs)
    ax.set_ylabel(column)
    names, ends = [trials.dictionary[each].as_py() for each in of[edges[1:] - 1]], points[edges[1:] - 1]
    failed = results.query("select trial_id from trials where state = 'failed'")["trial_id"].to_pylist()
    last = ends[np.isin(names, failed)]
    ax.plot(*last.T, "x", color=BAD, ms=6, mew=1.6, rasterized=len(last) > MAX_POINTS)
    mark_trials(ax, names, *ends.T)
    if best is None:
        return ax
    mine = epochs.filter(pc.equal(epochs["trial_id"], best.trial_id))
    epoch, value = _values(mine, "epoch"), _values(mine, column)
    ax.plot(epoch, value, color=ACCENT, lw=2.4, zorder=5)
    train, beyond = column.removeprefix("val_"), np.array([])
    trained = _values(mine, train)
    if train != column and np.isfinite(value).any() and np.isfinite(trained).any():
        # As far as the name of the best value reaches.
        beyond = trained[np.abs(epoch - best.epoch) <= epoch[-1] / 3]
        ax.plot(epoch, trained, color=SECOND, lw=1.8, ls=(0, (4, 2)), zorder=4)
        above = 6 if value[-1] >= trained[-1] else -6
        _label_end(ax, epoch, trained, "training", SECOND, -above)
        _label_end(ax, epoch, value, "validation", ACCENT, above)
    if column == objective:
        name = f"trial {best.trial_id}: {format_number(best.value)}"
        _name(ax, name, best.epoch, best.value, results.objective.mode, beyond)
    return ax


def trial_curve(results: Results, ax: Axes, trial_id: str, column: str) -> Axes:
    """Draw a metric of one trial epoch by epoch."""
    mine = results.table("epochs").filter(pc.equal(results.table("epochs")["trial_id"], trial_id))
    ax.plot(_values(mine, "epoch"), _values(mine, column), "-o", color=ACCENT, lw=2, ms=3)
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
    _name(ax, format_number(float(best[-1])), end, float(best[-1]), mode, [])
    return ax


def _values(epochs: pa.Table, column: str) -> _Reals:
    """A column of numbers; NaN where there is none."""
    missing = column not in epochs.column_names
    return np.full(epochs.num_rows, np.nan) if missing else epochs[column].to_numpy().astype(np.float64)


def _lines(ax: Axes, curves: Sequence[_Reals]) -> None:
    """Trials as thin lines with a point at the end of each."""
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


def _label_epochs(ax: Axes, epochs: pa.Table) -> None:
    last = int(_values(epochs, "epoch").max()) if epochs.num_rows else 1
    ax.set_xlim(0.7 if last > 1 else 0.5, last + (0.02 * last if last > 1 else 0.5))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set_xlabel("epoch")


def _label_end(ax: Axes, x: _Reals, y: _Reals, name: str, colour: str, shift: int) -> None:
    """Name a line at its right end, above or below it by `shift`."""
    known = np.isfinite(y)
    place = x[known][-1], float(np.clip(y[known][-1], *ax.get_ylim()))
    look: dict[str, Any] = {"va": "center", "color": colour, "annotation_clip": False}
    ax.annotate(name, place, (8, shift), textcoords="offset points", **look)


def _name(ax: Axes, text: str, x: float, y: float, mode: str, beyond: npt.ArrayLike) -> None:
    """Write the best value at its point, on the side where no value is but those `beyond`, which it does not hide; 0 is
    the end of a logarithmic axis.
    """
    low, high = ax.get_ylim()
    at = low if ax.get_yscale() == "log" and y <= 0 else y
    above = mode == "max" or at == low
    near = np.append(np.clip(beyond, low, high), at)
    edge = np.nanmax(near) if above else np.nanmin(near)
    if ax.get_yscale() != "log":
        margin = 0.12 * (high - low)
        ax.set_ylim(min(low, edge - margin * (not above)), max(high, edge + margin * above))
    ax.plot(x, at, "o", color=ACCENT, ms=6, zorder=6)
    ax.annotate(
        text, (x, edge), (0, 9 if above else -9), textcoords="offset points",
        ha="right" if x > sum(ax.get_xlim()) / 2 else "left", va="bottom" if above else "top", color=ACCENT,
        weight="bold", zorder=7, bbox=BOX,
    )  # fmt: skip
