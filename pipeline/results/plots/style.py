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
from pipeline.results.palette import ACCENT, BAD, GRID, INK, MAX_LINES, MAX_POINTS, MUTED, PAPER, SECOND, THIRD
from pipeline.space import ListedDomain, column_text
from pipeline.text import is_or_are

_COLOURS = (ACCENT, SECOND, THIRD, BAD, INK, MUTED)
_DASHES: Sequence[object] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))

_LETTER = 5.2
"""Points that a letter of a tick's label takes."""

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
    if all(isinstance(value, bool) for value in values):
        return [str(value).lower() for value in values]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return [repr(value) for value in values]
    return ["'" + column_text(value).replace("'", "''") + "'" for value in values]


@contextmanager
def style() -> Iterator[None]:
    """A context in which pictures have this style: create the figure and its axes within it."""
    with rc_context(_RC), warnings.catch_warnings():
        # Matplotlib's font lacks some scripts. In a page the browser sets the text, and knows more of them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def look_of(place: int) -> dict[str, Any]:
    """How the line of one of several is drawn, as matplotlib takes it."""
    return {"color": _COLOURS[place % len(_COLOURS)], "ls": _DASHES[place // len(_COLOURS) % len(_DASHES)]}


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
    margin = 0.06 * (high - low) or abs(high) * 0.01
    return low - margin, high + margin


def show_range(ax: Axes, values: npt.ArrayLike, mode: str) -> None:
    """Limit the vertical axis to the good values, though a few bad ones are far away; a note counts those beyond."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    if (limits := axis_limits(known, mode)) is None:
        return
    ax.set_ylim(limits)
    for beyond, height, where in ((known < limits[0], 0, "below"), (known > limits[1], 1, "above")):
        if count := int(beyond.sum()):
            ax.annotate(
                f"{count:,} of {len(known):,} {is_or_are(count)} {where}", (1, height), (-4, 4 - 8 * height),
                xycoords="axes fraction", textcoords="offset points", ha="right", va="top" if height else "bottom",
                fontsize=8, color=INK, zorder=7, bbox={"fc": PAPER, "ec": "none", "alpha": 0.8, "pad": 1},
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
        if axis == "x" and max(map(len, names)) * _LETTER > size_in_points(ax)[0] / len(names):
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


def size_in_points(ax: Axes) -> tuple[float, float]:
    """The width and the height of axes in points."""
    figure = ax.get_figure(root=True)
    scale = 72 / (figure.dpi if figure else 72)
    return float(ax.bbox.width * scale), float(ax.bbox.height * scale)


def short_text(value: Any) -> str:
    """A value as a label of at most 14 characters."""
    text = format_value(value)
    return text if len(text) <= 14 else text[:13] + "…"
