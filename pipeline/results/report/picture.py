"""A picture of a page, and pictures that answer one question."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.results.plots.svg import Axes, inline_svg
from pipeline.results.report.hover_points import Spot
from pipeline.results.tables.load import Results

__all__ = ["MOST_PANELS", "SMALL", "Picture", "Section", "picture", "without_results"]

_WIDE, _NARROW = 1040, 350
SMALL = 320
"""Width of one of several pictures side by side, in CSS pixels."""
MOST_PANELS = 16
"""More pictures than these do not stand side by side."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a report.

    Args:
        alt: The alternative text of the picture.
        caption: One sentence that says with numbers what is seen.
        svg: The picture as an svg element.
        narrow: The same for a telephone, where the other would be too small to read.
    """

    alt: str
    caption: str
    svg: str
    narrow: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Pictures that answer one question.

    Args:
        title: The question's name.
        note: How to read them; empty where that is plain.
        pictures: The pictures.
        small: Whether they stand side by side as small multiples.
    """

    title: str
    note: str
    pictures: Sequence[Picture]
    small: bool = False


def without_results(draw: Callable[[Any, Axes], Axes], shown: Any) -> Callable[[Results, Axes], Axes]:
    """A function that draws what was found out already, as `picture` takes it.

    Args:
        draw: Draws `shown` into axes.
        shown: What to draw.
    """
    return lambda _, ax: draw(shown, ax)


def picture(
    results: Results,
    name: str,
    draw: Callable[[Results, Axes], Axes],
    caption: str,
    height: int,
    narrow_height: int,
    alt: str,
    where: Sequence[Spot] = (),
) -> Picture:
    """Draw a picture twice, for a wide page and for a telephone.

    Args:
        results: A study's results.
        name: Unique on the page; letters, digits and hyphens.
        draw: Draws it.
        caption: One sentence that says with numbers what is seen.
        height: Its height in CSS pixels.
        narrow_height: The same on a telephone.
        alt: The alternative text of the picture.
        where: Trials and where they are in it.
    """

    def of(ax: Axes) -> Axes:
        return draw(results, ax)

    wide = inline_svg(of, name=name, size=(_WIDE, height), hover_points=where)
    return Picture(
        alt, caption, wide, inline_svg(of, name=f"{name}-narrow", size=(_NARROW, narrow_height), hover_points=where)
    )
