"""The style of all pictures: few colours, each with one meaning, that colour-blind readers can distinguish."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from pipeline.results.palette import ACCENT, BAD, GRID, INK, MUTED, PAPER, SECOND, THIRD

__all__ = [
    "ACCENT",
    "BAD",
    "GRID",
    "INK",
    "MAX_AXES",
    "MAX_LINES",
    "MAX_POINTS",
    "MUTED",
    "PAPER",
    "SECOND",
    "THIRD",
    "axis_limits",
    "by_decade",
    "by_magnitude",
    "plain_numbers",
    "remove_frame",
    "some_lines",
    "some_points",
    "style",
]

MAX_AXES = 16
"""The maximum number of hyperparameters side by side in a plot: the names of more have no room."""

MAX_LINES = 500
"""The maximum number of lines in a plot: more lines make the same grey, and take seconds to draw."""

MAX_POINTS = 2000
"""The maximum number of points in a small plot: more points would cover each other."""

_RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    # Where matplotlib would put it, after it has measured the other axis twice.
    "axes.titley": 1.0,
    "axes.labelsize": 9.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": PAPER,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-4, 5),
    "figure.facecolor": PAPER,
    "figure.constrained_layout.use": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    "savefig.facecolor": PAPER,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 9,
    "xtick.minor.visible": False,
}


@contextmanager
def style() -> Iterator[None]:
    """A context in which pictures have this style: create the figure and its axes within it."""
    with rc_context(_RC), warnings.catch_warnings():
        # Matplotlib's font lacks some scripts. In a page the browser sets the text, and knows more of them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def remove_frame(ax: Axes, *, keep: Sequence[str] = ()) -> None:
    """Remove frame and grid, except for the spines to keep."""
    ax.grid(False)
    for side, spine in ax.spines.items():
        spine.set_visible(side in keep)


def by_decade(axis: Axis, low: float, high: float) -> None:
    """Plain numbers on a logarithmic axis: decades, and 2 and 5 between them where there are few."""
    decades = np.log10(high / low)
    subs = (1.0,) if decades > 2.5 else (1.0, 3.0) if decades > 1.6 else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(subs=subs if decades > 0.5 else tuple(range(1, 10))))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
    # Texts without letters are measured like any other.
    name: Literal["x", "y"] = "x" if axis is axis.axes.xaxis else "y"
    axis.axes.tick_params(name, which="minor", labelbottom=False, labelleft=False)


def plain_numbers(axis: Axis) -> None:
    """Write an axis's numbers out, without a common factor next to it."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}".replace("-", "−")))


def by_magnitude(ax: Axes, values: npt.ArrayLike, mode: str) -> bool:
    """Set the vertical axis to a logarithm where values are to become small and do so by more than three decades."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    if mode == "max" or (known < 0).any():
        return False
    # What is 0 lies below any such axis.
    known = known[known > 0]
    if not known.size or known.max() < 1000 * known.min():
        return False
    low, high = float(known.min()), float(known.max())
    ax.set_yscale("log")
    # Room for what is written at the best point, which is often the lowest.
    ax.set_ylim(low / (high / low) ** 0.1, high * 2)
    by_decade(ax.yaxis, low, high)
    return True


def some_lines(count: int, most: int | None = None) -> npt.NDArray[np.int64]:
    """Which lines or points to draw: all, or as many as can be distinguished, evenly spread."""
    return np.linspace(0, count - 1, min(count, most or MAX_LINES)).round().astype(np.int64)


def some_points(ax: Axes, x: npt.ArrayLike, y: npt.ArrayLike, *, size: float) -> npt.NDArray[np.int64]:
    """Which points to draw: all, except for those that others hide."""
    figure = ax.get_figure(root=True)
    square = size / 2 * (figure.dpi if figure else 72) / 72
    places = ax.transData.transform(np.column_stack([x, y])) // square
    # What lies beyond the axes is not seen, however far it is.
    low, high = np.asarray(ax.bbox.min) // square - 2, np.asarray(ax.bbox.max) // square + 2
    squares = (np.clip(places, low, high) - low).astype(np.int64)
    numbers = squares[:, 0] + squares[:, 1] * (int(high[0] - low[0]) + 1)
    # Without a sort, which takes longer: if a position gets several values, NumPy assigns the last, here the first.
    first = np.full(int(numbers.max(initial=0)) + 1, -1, np.int64)
    first[numbers[::-1]] = np.arange(len(numbers))[::-1]
    return np.sort(first[first >= 0])


def axis_limits(values: npt.ArrayLike, mode: str) -> tuple[float, float] | None:
    """Limits of an axis that show the good values well, though a few bad ones are far away."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    if not known.size or known.min() == known.max():
        return None
    low, high = float(known.min()), float(known.max())
    worst = float(np.quantile(known, 0.1 if mode == "max" else 0.9))
    if mode == "max" and (high - worst) * 2.5 < high - low:
        low = worst
    if mode == "min" and (worst - low) * 2.5 < high - low:
        high = worst
    margin = 0.06 * (high - low) or abs(high) * 0.01
    return low - margin, high + margin
