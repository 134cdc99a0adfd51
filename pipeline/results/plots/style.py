"""The style of all pictures, with few colours that colour-blind readers can distinguish, and their form in a page."""

import io
import json
import re
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from pipeline.results.analysis.parameters import format_value, is_log
from pipeline.results.palette import GRID, INK, MAX_LINES, MAX_POINTS, MUTED, PAPER, VARIABLES
from pipeline.space import ListedDomain, column_text
from pipeline.text import sanitize

_ENLARGED = 1.3
"""CSS pixels to the SVG's unit: the pictures' 9 points become 12 pixels."""

_BITMAP_DPI = 144
"""The resolution of bitmaps within a picture, which replace very many lines."""

_COLOUR = re.compile(rf"(fill|stroke): ({'|'.join(VARIABLES)})")
_DROPPED = re.compile(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", re.DOTALL)

_DRAWING = threading.Lock()
"""Matplotlib's settings belong to the process: one picture is drawn at a time."""

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
        MARKS.setdefault(ax, Marks()).trials = list(zip(map(str, trials), map(float, x), map(float, y), strict=True))


def mark_axis(
    ax: Axes, along: Literal["x", "y"], column: str, domain: Any = None, at: int | None = None, span: Any = None
) -> None:
    """Say which column of `trials` an axis shows; in parallel coordinates `at` is where it stands, with the values of
    `span` or of its domain.
    """
    axis: dict[str, Any] = {"along": along, "column": column}
    if isinstance(domain, ListedDomain):
        axis["values"] = _literals(domain.values)
    if at is not None:
        listed = isinstance(domain, ListedDomain)
        low, high = span or ((0, max(len(domain.values) - 1, 1)) if listed else domain.bounds)
        axis |= {"at": at, "span": [float(low), float(high)], "log": not listed and is_log(domain)}
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


def show_values(ax: Axes, values: npt.ArrayLike, mode: str) -> None:
    """Scale the vertical axis: to a logarithm where values become small by more than three decades, else to the good
    values, though a few bad ones are far away; a note counts those beyond.
    """
    plain_numbers(ax.yaxis)
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    # What is 0 lies below any logarithmic axis.
    positive = known[known > 0]
    if mode == "min" and not (known < 0).any() and positive.size and positive.max() >= 1000 * positive.min():
        low, high = float(positive.min()), float(positive.max())
        ax.set_yscale("log")
        # Room for what is written at the best point, which is often the lowest.
        ax.set_ylim(low / (high / low) ** 0.1, high * 2)
        by_decade(ax.yaxis, low, high)
    elif (limits := axis_limits(known, mode)) is not None:
        ax.set_ylim(limits)
        beyond = [(int((known < limits[0]).sum()), "below"), (int((known > limits[1]).sum()), "above")]
        # Above the axes, where no points are.
        notes = [f"{count:,} of {len(known):,} {where}" for count, where in beyond if count]
        ax.set_title(", ".join(notes), loc="right", fontsize=8)


def parameter_axis(ax: Axes, domain: Any) -> None:
    """Set the horizontal axis up for a domain: its bounds, its scale, its values' names."""
    if isinstance(domain, ListedDomain):
        count = len(domain.values)
        shown = range(0, count, -(-count // 8))
        ax.set_xlim(-0.5, count - 0.5)
        names = [short_text(domain.values[place]) for place in shown]
        turned: dict[str, Any] = {}
        if max(map(len, names)) * _LETTER > width_of(ax) / len(names):
            turned = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"}
        ax.set_xticks(list(shown), names, **turned)
        ax.grid(False, axis="x")
        return
    low, high = domain.bounds
    if is_log(domain):
        ax.set_xscale("log")
        edge = (high / low) ** 0.04
        ax.set_xlim(low / edge, high * edge)
        by_decade(ax.xaxis, low, high)
        return
    ax.set_xlim(low - 0.04 * (high - low), high + 0.04 * (high - low))
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=isinstance(low, int) and isinstance(high, int)))


def width_of(ax: Axes) -> float:
    """The width of axes in points."""
    figure = ax.get_figure(root=True)
    return float(ax.bbox.width * 72 / (figure.dpi if figure else 72))


def short_text(value: Any, most: int = 14) -> str:
    """A value as a short label."""
    text = value if isinstance(value, str) else format_value(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def inline_svg(draw: Callable[[Axes], object], *, name: str, size: tuple[int, int]) -> str:
    """Draw a picture as an svg element for an HTML page, with its fonts and its colours in light and dark mode, which
    loads nothing; `data-marks` says where trials and axes are in it.
    """
    with _DRAWING, style(), rc_context({"svg.hashsalt": name}):
        width, height = (pixels / _ENLARGED for pixels in size)
        figure = Figure(figsize=(width / 72, height / 72), dpi=_BITMAP_DPI)
        canvas, ax = FigureCanvasSVG(figure), figure.add_subplot()
        draw(ax)
        file = io.StringIO()
        # Not savefig, which draws every picture twice.
        canvas.print_svg(file, metadata={"Date": None})
        # Once it is drawn, and so laid out.
        marks = _marks(figure, ax)
    return _embedded(sanitize(file.getvalue()), name, size[0], marks)


def _marks(figure: Figure, ax: Axes) -> str:
    """The marks of axes as JSON: places in the picture's own units, and of each axis its column and its ends."""
    found, unit, height = MARKS.get(ax, Marks()), 72 / figure.dpi, figure.bbox.height

    def place(x: float, y: float) -> list[float]:
        return [round(float(x) * unit, 1), round(float(height - y) * unit, 1)]

    inside, trials, axes = ax.bbox.padded(4).contains, list[Any](), list[Any]()
    for trial, x, y in found.trials:
        if inside(*(pixel := ax.transData.transform((x, y)))):
            trials.append([sanitize(trial), *place(*pixel)])
    for axis in found.axes:
        if "at" in axis:
            first, last = ax.transData.transform([[axis["at"] - 0.5, 0], [axis["at"] + 0.5, 1]])
        else:
            first, last = ax.bbox.min, ax.bbox.max
            line, ends = (ax.xaxis, ax.get_xlim()) if axis["along"] == "x" else (ax.yaxis, ax.get_ylim())
            axis = {**axis, "span": [float(end) for end in ends], "log": line.get_scale() == "log"}
        axes.append({**axis, "box": [*place(*first), *place(*last)]})
    return json.dumps({"trials": trials, "axes": axes}, separators=(",", ":")) if trials or axes else ""


def _embedded(document: str, name: str, width: int, marks: str) -> str:
    """The svg element of a document, with the variables of the page as colours and with ids of its own."""
    svg = _DROPPED.sub("", document[document.index("<svg") :])
    used = set(re.findall(r"url\(#([^)]+)\)", svg)) | set(re.findall(r'xlink:href="#([^"]+)"', svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", svg)
    svg = svg.replace("font-family: 'DejaVu Sans'; ", "").replace(' transform="rotate(-0 0 0)"', "")
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = svg.replace('xlink:href="#', f'href="#{name}-').replace("xlink:href=", "href=")
    svg = _COLOUR.sub(lambda found: f"{found[1]}: var({VARIABLES[found[2]]})", svg)
    # As attributes: the policy of the live page allows no inline style.
    svg = re.sub(
        r'style="([^"]*)"', lambda found: re.sub(r"([\w-]+): ([^;]+);? ?", r'\1="\2" ', found[1]).rstrip(), svg
    )
    # Two decimals of a pixel are more than a screen shows.
    svg = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0]), svg)
    box = re.search(r'viewBox="([^"]+)"', svg)
    assert box is not None
    attribute = f' data-marks="{escape(marks)}"' if marks else ""
    head = f'<svg{attribute} viewBox="{box[1]}" width="{width}" aria-hidden="true" focusable="false">'
    body = svg[svg.index(">") + 1 :]
    return head + re.sub(r">\s+<", "><", body).strip()
