"""A picture of a page, drawn when it is asked for, and pictures that answer one question."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from markupsafe import Markup

from pipeline.results.views.table import Table

_WIDE, _NARROW = 1040, 350
_PANELS = {1: (640, 1.25), 2: (500, 1.2), 3: (320, 1.0)}
"""Width of a picture in CSS pixels, and how much higher it is, by how many stand side by side."""


@dataclass(frozen=True)
class Picture:
    """A picture: the function of `pipeline.results.plots` that draws it, and that function's arguments but the axes."""

    name: str
    plot: str
    subject: Any
    more: tuple[Any, ...]
    alt: str
    height: int
    narrow_height: int
    caption: Callable[[], str] = str
    width: int = _WIDE

    @cached_property
    def wide(self) -> Markup:
        """The picture for a wide page."""
        return self._drawn(self.name, self.width, self.height)

    @cached_property
    def narrow(self) -> Markup:
        """The picture for a telephone; the same one if it is small."""
        return self._drawn(f"{self.name}-narrow", _NARROW, self.narrow_height) if self.width > _NARROW else self.wide

    def _drawn(self, name: str, width: int, height: int) -> Markup:
        from pipeline.results import plots
        from pipeline.results.plots.svg import inline_svg

        draw = getattr(plots, self.plot)
        # What a picture says is escaped as it is drawn.
        return Markup(inline_svg(lambda ax: draw(self.subject, ax, *self.more), name=name, size=(width, height)))


@dataclass(frozen=True, slots=True)
class Section:
    """Pictures that answer one question, or a table."""

    title: str
    note: str = ""
    pictures: Sequence[Picture] = field(default_factory=list)
    columns: int = 1
    table: Table | None = None


def panels(title: str, note: str, pictures: Sequence[Picture]) -> Section:
    """Small pictures side by side, with no row that is nearly empty."""
    columns = {1: 1, 2: 2, 4: 2}.get(len(pictures), 3)
    width, factor = _PANELS[columns]
    return Section(
        title, note, [replace(one, width=width, height=round(factor * one.height)) for one in pictures], columns
    )
