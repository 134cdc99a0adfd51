"""A table that fits its terminal: important columns are never cut, the others are left out in a fixed order.

Where a terminal is too narrow, columns that may be left out go first, and a line says how many; then names of columns
are wrapped; at last each row becomes a record with one field on a line. Output that is not a terminal is not shortened.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement, measure_renderables
from rich.table import Table
from rich.text import Text

from pipeline.sanitize import sanitize_line
from pipeline.wording import counted

_GAP = 2
_LONGEST = 60
"""Characters of a cell on a terminal; one whose column must be whole, and a record's, are never cut."""
_HEADS = (16, 8)
"""The width in characters at which column names wrap, if the table is too wide.

Words of up to the first stay whole."""
_NAMED = 5
_WRAPPED = 20
"""The minimum width of a column of prose."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column."""

    name: str
    right: bool = False
    keep: Literal["whole", "cut", "wrapped", "extra"] = "cut"


class FittedTable:
    """A table that is laid out when it is printed."""

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        more: str = "a wider terminal shows them",
        first_out: Callable[[], Sequence[int]] = tuple,
    ) -> None:
        self._columns, self._more, self._first_out = list(columns), more, first_out
        self._names = [sanitize_line(column.name) for column in columns]
        self._rows: list[tuple[list[Text], str]] = []

    @property
    def row_count(self) -> int:
        """How many rows it has."""
        return len(self._rows)

    def add_row(self, *cells: str | Text, style: str = "") -> None:
        """Add a row."""
        self._rows.append(([cell if isinstance(cell, Text) else Text(sanitize_line(cell)) for cell in cells], style))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        width = options.max_width
        if not options.is_terminal:
            yield self._table(list(range(len(self._columns))), {}, cut=False)
            return
        places = list(range(len(self._columns)))
        if sum(self._least(place, None) for place in places) + _GAP * (len(places) - 1) <= width:
            yield self._table(places, {})
            return
        extras = self._extras()
        for head in _HEADS:
            # Each column is measured once: there may be thousands.
            least = [self._least(place, head) for place in places]
            needed, left = sum(least) + _GAP * (len(least) - 1), set[int]()
            for place in extras:
                if needed > width:
                    left.add(place)
                    needed -= least[place] + _GAP
            if needed <= width:
                shown = [place for place in places if place not in left]
                yield self._table(shown, self._heads(shown, head))
                if left:
                    yield self._left_out([self._names[place] for place in sorted(left)])
                return
        yield from self._records(width)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return measure_renderables(console, options, list(self.__rich_console__(console, options)))

    def _extras(self) -> list[int]:
        """The columns that may be left out, in the order in which they go."""
        order = [*self._first_out(), *reversed(range(len(self._columns)))]
        return [place for place in dict.fromkeys(order) if self._columns[place].keep == "extra"]

    def _least(self, place: int, head: int | None) -> int:
        """The least width of a column."""
        content, name = self._content(place), cell_len(self._names[place])
        if self._columns[place].keep == "wrapped":
            return min(max(content, name), _WRAPPED)
        if head is None:
            return max(content, name)
        word = max(map(cell_len, self._names[place].split()), default=0)
        return max(content, min(name, max(head, min(word, _HEADS[0]))))

    def _content(self, place: int) -> int:
        longest = max((cell.cell_len for cells, _ in self._rows for cell in [cells[place]]), default=0)
        return longest if self._columns[place].keep in ("whole", "wrapped") else min(longest, _LONGEST)

    def _heads(self, shown: Sequence[int], head: int) -> dict[int, int]:
        """Widths of the columns whose names are wrapped."""
        return {
            place: self._least(place, head)
            for place in shown
            if self._columns[place].keep != "wrapped" and cell_len(self._names[place]) > self._least(place, head)
        }

    def _table(self, shown: Sequence[int], widths: dict[int, int], *, cut: bool = True) -> Table:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for place in shown:
            column, width = self._columns[place], widths.get(place)
            table.add_column(
                Text(self._names[place], overflow="fold"),
                justify="right" if column.right else "left",
                overflow="fold",
                no_wrap=width is None and not (cut and column.keep == "wrapped"),
                width=width,
            )
        for cells, style in self._rows:
            table.add_row(*(self._cell(place, cells[place], cut=cut) for place in shown), style=style)
        return table

    def _cell(self, place: int, cell: Text, *, cut: bool) -> Text:
        if not cut or self._columns[place].keep in ("whole", "wrapped") or cell.cell_len <= _LONGEST:
            return cell
        return Text(set_cell_size(cell.plain, _LONGEST - 1).rstrip() + "…", style=cell.style)

    def _records(self, width: int) -> Iterator[RenderableType]:
        names = min(max(map(cell_len, self._names), default=0), width // 2 - _GAP)
        for number, (cells, style) in enumerate(self._rows):
            if number:
                yield Text()
            grid = Table.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
            grid.add_column(width=names, overflow="fold", style="bold")
            grid.add_column(overflow="fold")
            for name, cell in zip(self._names, cells, strict=True):
                grid.add_row(Text(name), cell, style=style)
            yield grid

    def _left_out(self, names: Sequence[str]) -> Text:
        count = f"+{counted(len(names), 'column')}"
        named = ", ".join([*names[:_NAMED], *["…"] * (len(names) > _NAMED)])
        return Text(f"{count} ({named}): {self._more}.", style="dim", overflow="fold")
