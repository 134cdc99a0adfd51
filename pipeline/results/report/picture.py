"""A picture of a page, and pictures that answer one question."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.results.plots.svg import Axes, inline_svg
from pipeline.results.report.hover_points import HoverPoint
from pipeline.results.tables.load import Results
from pipeline.text import counted, format_number, is_or_are

_WIDE, _NARROW = 1040, 350
_PANELS = {1: (640, 1.25), 2: (500, 1.2), 3: (320, 1.0)}
"""Width of a picture in CSS pixels, and how much higher it is, by how many stand side by side."""
MAX_PANELS = 16
"""The maximum number of pictures in a row."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a report."""

    alt: str
    caption: str
    svg: str
    narrow: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Pictures that answer one question."""

    title: str
    note: str
    pictures: Sequence[Picture]
    small: bool = False

    @property
    def columns(self) -> int:
        """The number of pictures in a row."""
        return columns(len(self.pictures)) if self.small else 1


def as_results_plot(draw: Callable[[Any, Axes], Axes], shown: Any) -> Callable[[Results, Axes], Axes]:
    """A drawing function for `picture` from one that needs only axes."""
    return lambda _, ax: draw(shown, ax)


def picture(
    results: Results,
    name: str,
    draw: Callable[[Results, Axes], Axes],
    caption: str,
    height: int,
    narrow_height: int,
    alt: str,
    where: Sequence[HoverPoint] = (),
    values: npt.ArrayLike = (),
) -> Picture:
    """Draw a picture twice, for a wide page and for a telephone."""
    seen = _LimitsRecorder(lambda ax: draw(results, ax))
    wide = inline_svg(seen, name=name, size=(_WIDE, height), hover_points=where)
    narrow = inline_svg(seen, name=f"{name}-narrow", size=(_NARROW, narrow_height), hover_points=where)
    cut = beyond_in_words(values, seen.limits)
    return Picture(f"{alt}{cut}", f"{caption}{cut}", wide, narrow)


def columns(count: int) -> int:
    """The number of panels in a row: no row is nearly empty."""
    return {1: 1, 2: 2, 4: 2}.get(count, max(_PANELS))


def panel(
    name: str,
    draw: Callable[[Axes], Axes],
    caption: str,
    height: int,
    alt: str,
    where: Sequence[HoverPoint] = (),
    values: npt.ArrayLike = (),
    *,
    count: int,
) -> Picture:
    """Draw one of several pictures side by side."""
    seen, few = _LimitsRecorder(draw), columns(count) < max(_PANELS)
    width, factor = _PANELS[columns(count)]
    svg = inline_svg(seen, name=name, size=(width, round(factor * height)), hover_points=where)
    narrow = inline_svg(seen, name=f"{name}-narrow", size=(_NARROW, height), hover_points=where) if few else None
    cut = beyond_in_words(values, seen.limits)
    return Picture(f"{alt}{cut}", f"{caption}{cut}", svg, narrow)


class _LimitsRecorder:
    """Draws, and keeps the limits of the vertical axis, which are known only after that."""

    def __init__(self, draw: Callable[[Axes], Axes]) -> None:
        self._draw = draw
        self.limits = (-math.inf, math.inf)

    def __call__(self, ax: Axes) -> Axes:
        drawn = self._draw(ax)
        self.limits = ax.get_ylim()
        return drawn


def beyond_in_words(values: npt.ArrayLike, limits: tuple[float, float]) -> str:
    """How many values an axis leaves out, as a sentence after a space; empty if it shows all."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    low, high = limits
    parts = []
    for end, which, verb, side in ((low, known < low, "starts", "below"), (high, known > high, "ends", "above")):
        if beyond := int(which.sum()):
            many = f"{beyond:,} of {counted(len(known), 'value')} {is_or_are(beyond)} {side}"
            parts.append(f"{verb} at {format_number(end)} ({many})")
    return f" The axis {' and '.join(parts)}." if parts else ""
