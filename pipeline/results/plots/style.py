"""The style of all pictures: few colours, each with one meaning, that colour-blind readers can distinguish."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from pipeline.results.analysis.parameters import format_value, is_log
from pipeline.results.palette import GRID, INK, MAX_LINES, MAX_POINTS, MUTED, PAPER
from pipeline.space import ListedDomain, column_text

_LETTER = 5.2
"""Points that a letter of a tick's label takes."""

BITMAP = 1000
"""More points or rows than these become a bitmap within the picture."""

BOX = {"fc": PAPER, "ec": "none", "alpha": 0.8, "pad": 1}
"""The background of a text that may lie over lines."""

_RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
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
}


@dataclass(slots=True)
class Marks:
    """What a page's script knows of a picture: where trials are, and the axes on which a range can be selected."""

    trials: list[tuple[str, float, float]] = field(default_factory=list)
    axes: list[dict[str, Any]] = field(default_factory=list)


MARKS: WeakKeyDictionary[Axes, Marks] = WeakKeyDictionary()
"""The marks of axes that have some."""


def mark_trials(ax: Axes, trials: Sequence[Any], x: Iterable[Any], y: Iterable[Any]) -> None:
    """Say where trials are, so that the page names the one at the pointer; nothing where they are too many."""
    if len(trials) <= MAX_POINTS:
        found = zip(map(str, trials), map(float, x), map(float, y), strict=True)
        MARKS.setdefault(ax, Marks()).trials.extend(found)


def mark_axis(ax: Axes, along: Literal["x", "y"], column: str, domain: Any = None, at: int | None = None) -> None:
    """Say which column of `trials` an axis shows; in parallel coordinates `at` is where it stands, from 0 to 1."""
    axis: dict[str, Any] = {"along": along, "column": column}
    if isinstance(domain, ListedDomain):
        axis["values"] = _literals(domain.values)
        span, log = (0, max(len(domain.values) - 1, 1)), False
    elif at is not None:
        span, log = domain.span, is_log(domain)
    if at is not None:
        axis |= {"at": at, "span": [float(end) for end in span], "log": log}
    MARKS.setdefault(ax, Marks()).axes.append(axis)


def _literals(values: Sequence[Any]) -> list[str]:
    """Values as SQL has them: in a column of numbers or booleans, else as text."""
    kinds = {type(value) for value in values}
    if kinds <= {bool} or kinds <= {int, float}:
        return [repr(value).lower() for value in values]
    return ["'" + column_text(value).replace("'", "''") + "'" for value in values]


@contextmanager
def style() -> Iterator[None]:
    """A context in which pictures have this style: create the figure and its axes within it."""
    with rc_context(_RC), warnings.catch_warnings():
        # Matplotlib's font lacks some scripts. In a page the browser sets the text, and knows more of them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def remove_frame(ax: Axes, *, keep: str = "") -> None:
    """Remove grid and frame, except for one of its sides."""
    ax.grid(False)
    for side, spine in ax.spines.items():
        spine.set_visible(side == keep)


def by_decade(axis: Axis, low: float, high: float) -> None:
    """Plain numbers on a logarithmic axis: decades, and numbers between them where there are few."""
    decades = np.log10(high / low)
    subs = (1.0,) if decades > 2.5 else (1.0, 3.0) if decades > 1.6 else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(subs=subs if decades > 0.5 else tuple(range(1, 10))))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def plain_numbers(axis: Axis) -> None:
    """Write an axis's numbers out, without a common factor next to it."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}".replace("-", "−")))


def some_of(count: int, most: int = MAX_LINES) -> npt.NDArray[np.int64]:
    """Which lines or points to draw: all, or as many as can be distinguished, evenly spread."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


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
    margin = 0.06 * (high - low)
    return low - margin, high + margin


def show_values(ax: Axes, values: npt.ArrayLike, mode: str, *, log: bool = True) -> None:
    """Scale the vertical axis: to a logarithm where values become small by more than three decades, else to the good
    values, though a few bad ones are far away; a note counts those beyond.
    """
    plain_numbers(ax.yaxis)
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    # What is 0 lies below any logarithmic axis.
    positive = known[known > 0]
    if log and mode == "min" and not (known < 0).any() and positive.size and positive.max() >= 1000 * positive.min():
        low, high = float(positive.min()), float(positive.max())
        ax.set_yscale("log")
        # Room for what is written at the best point, which is often the lowest.
        ax.set_ylim(low / (high / low) ** 0.1, high * 2)
        by_decade(ax.yaxis, low, high)
    elif (limits := axis_limits(known, mode)) is not None:
        ax.set_ylim(limits)
        for beyond, height, where in ((known < limits[0], 0, "below"), (known > limits[1], 1, "above")):
            if count := int(beyond.sum()):
                ax.annotate(
                    f"{count:,} of {len(known):,} {where}", (1, height), (-4, 4 - 8 * height),
                    xycoords="axes fraction", textcoords="offset points", ha="right", va="top" if height else "bottom",
                    fontsize=8, color=INK, zorder=7, bbox=BOX,
                )  # fmt: skip


def parameter_axis(ax: Axes, domain: Any, places: npt.NDArray[np.float64], *, axis: Literal["x", "y"] = "x") -> None:
    """Set an axis up for a domain: its bounds, its scale, its values' names."""
    line, limits = (ax.xaxis, ax.set_xlim) if axis == "x" else (ax.yaxis, ax.set_ylim)
    if isinstance(domain, ListedDomain):
        count = len(domain.values)
        shown = range(0, count, -(-count // 8))
        limits(-0.5, count - 0.5)
        names = [short_text(domain.values[place]) for place in shown]
        turned: dict[str, Any] = {}
        if axis == "x" and max(map(len, names)) * _LETTER > width_of(ax) / len(names):
            turned = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"}
        line.set_ticks(list(shown), labels=names, **turned)
        ax.grid(False, axis=axis)
        return
    low, high = domain.span
    if is_log(domain):
        (ax.set_xscale if axis == "x" else ax.set_yscale)("log")
        edge = (high / low) ** 0.04
        limits(low / edge, high * edge)
        by_decade(line, low, high)
        return
    if len(places) and domain.bounds is None:
        low, high = min(low, float(places.min())), max(high, float(places.max()))
    limits(low - 0.04 * (high - low), high + 0.04 * (high - low))
    line.set_major_locator(MaxNLocator(5, integer=isinstance(low, int) and isinstance(high, int)))


def width_of(ax: Axes) -> float:
    """The width of axes in points."""
    figure = ax.get_figure(root=True)
    return float(ax.bbox.width * 72 / (figure.dpi if figure else 72))


def short_text(value: Any, most: int = 14) -> str:
    """A value as a short label."""
    text = value if isinstance(value, str) else format_value(value)
    return text if len(text) <= most else text[: most - 1] + "…"
