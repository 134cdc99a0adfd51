"""An axis for a hyperparameter: its bounds, its scale, the names of its values."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pipeline.results.analysis.parameters import format_value, is_log
from pipeline.results.plots.style import by_decade
from pipeline.space import ListedDomain

_LETTER = 5.2
"""Points that a letter of a tick's label takes."""


def parameter_axis(ax: Axes, domain: Any, places: npt.NDArray[np.float64], *, axis: Literal["x", "y"] = "x") -> None:
    """Set an axis up for a domain: its bounds, its scale, its values' names."""
    line, limits = (ax.xaxis, ax.set_xlim) if axis == "x" else (ax.yaxis, ax.set_ylim)
    if isinstance(domain, ListedDomain):
        count = len(domain.values)
        shown = range(0, count, -(-count // 8))
        limits(-0.5, count - 0.5)
        names = [short_text(domain.values[place]) for place in shown]
        turned: dict[str, Any] = {}
        if axis == "x" and max(map(len, names)) * _LETTER > width_in_points(ax) / len(names):
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


def spaced_ticks(ax: Axes, places: Sequence[float], *, ends: Sequence[float] = ()) -> list[float]:
    """The places on the horizontal axis whose numbers do not touch: as many as there is room for, lower ones first."""
    kept = list(ends)
    ax.get_xlim()  # an axis gets its limits when they are read
    figure = ax.get_figure(root=True)
    points = 72 / (figure.dpi if figure else 72)

    def at(place: float) -> float:
        return float(ax.transData.transform((place, 0))[0]) * points

    for place in sorted(set(places) - set(kept)):
        width = (len(f"{place:g}") + 1) * _LETTER
        if all(abs(at(place) - at(other)) > max(width, (len(f"{other:g}") + 1) * _LETTER) for other in kept):
            kept.append(place)
    return sorted(kept)


def width_in_points(ax: Axes) -> float:
    """The width of axes in points."""
    figure = ax.get_figure(root=True)
    return float(ax.bbox.width * 72 / (figure.dpi if figure else 72))


def height_in_points(ax: Axes) -> float:
    """The height of axes in points."""
    figure = ax.get_figure(root=True)
    return float(ax.bbox.height * 72 / (figure.dpi if figure else 72))


def short_text(value: Any) -> str:
    """A value as a label of at most 14 characters."""
    text = format_value(value)
    return text if len(text) <= 14 else text[:13] + "…"
