"""A table: a title, a sentence, columns and rows of values; its forms for a terminal, a page, programs and files."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa
from markupsafe import Markup, escape
from pyarrow import csv
from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderableType
from rich.constrain import Constrain
from rich.measure import Measurement, measure_renderables
from rich.table import Table as Grid
from rich.text import Text

from pipeline.errors import UsageError
from pipeline.results.analysis.parameters import format_value
from pipeline.storage.schema import write_parquet
from pipeline.text import counted, sanitize, sanitize_line

_GAP, _PROSE, _NAMED = 2, 118, 5
_LONGEST = 60
"""Characters of a cell on a terminal; one whose column must be whole, and a record's, are never cut."""
_HEADS = (None, 16, 8)
"""The widths at which column names wrap, one after the other, if a table is too wide; short words stay whole."""
_WRAPPED = 20
"""The minimum width of a column of prose."""


@dataclass(frozen=True, slots=True)
class State:
    """How a trial's state is worded and shown."""

    verb: str
    colour: str
    page: str = "--ink"


STATES: Mapping[str, State] = {
    "completed": State("completed", "green"),
    "stopped": State("stopped early", "bright_black", page="--quiet"),
    "failed": State("failed", "red", page="--bad"),
    "running": State("running", "cyan"),
    "paused": State("paused", "yellow"),
}
"""Every state, by its word in the table `trials`, in the order in which sentences name them."""


def plain(value: Any) -> Any:
    """A value as JSON has it; what is not finite is null."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case Mapping():
            return {str(name): plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return value.decode(errors="backslashreplace")
        case timedelta():
            return value.total_seconds()
        case None | bool() | int() | str():
            return value
    return str(value)


def cell_text(value: Any) -> str:
    """A value as the text of a cell; a dash for none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, str | float | bool | int):
        return format_value(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    value = plain(value)
    return json.dumps(value) if isinstance(value, dict | list) else format_value(value)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the key of its values, its heading, how values are written, what a narrow terminal does with it."""

    key: str
    title: str = ""
    text: Callable[[Any], str] = cell_text
    right: bool = False
    keep: Literal["whole", "cut", "wrapped", "extra"] = "cut"
    colour: Callable[[Any], str] | None = None

    @property
    def heading(self) -> str:
        """Its heading, safe to print."""
        return sanitize_line(self.title or self.key.replace("_", " "))

    def cell(self, row: Mapping[str, Any]) -> str:
        """The text of a row's cell, safe to print."""
        return sanitize_line(self.text(row.get(self.key)))


@dataclass(slots=True)
class Table:
    """A table.

    On a terminal that is too narrow, columns that may be left out go first, and a line says how many; then names of
    columns are wrapped; at last each row becomes a record with one field on a line. Other output is not shortened.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    note: str = ""
    name: str = ""
    """Its name in JSON."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Values beside the rows, for programs."""
    most: int | None = None
    """The maximum number of rows that people see; programs get all."""
    look: Callable[[Mapping[str, Any]], str] = lambda _: ""
    """The style of a row on a terminal."""

    def cells(self) -> list[list[str]]:
        """The texts of the rows that people see."""
        return [[column.cell(row) for column in self.columns] for row in self.rows[: self.most]]

    @property
    def rest(self) -> str:
        """How many rows people do not see; empty if they see all."""
        left = len(self.rows) - (self.most or len(self.rows))
        return f"… and {left:,} more; --json has all." if left > 0 else ""

    def as_object(self) -> dict[str, Any]:
        """The table as JSON values. A row has all of its values, also those that no column shows."""
        rows = [plain(row) for row in self.rows]
        return {"name": self.name, "title": self.title, "note": self.note, **plain(self.facts), "rows": rows}

    def as_html(self) -> Markup:
        """The table as a `table` element."""
        looks = [' class="number"' if column.right else "" for column in self.columns]
        head = "".join(
            f'<th scope="col"{look}>{escape(column.heading)}</th>'
            for column, look in zip(self.columns, looks, strict=True)
        )
        rows = [
            "".join(f"<td{look}>{escape(cell)}</td>" for look, cell in zip(looks, cells, strict=True))
            for cells in self.cells()
        ]
        body = "".join(f"<tr>{row}</tr>\n" for row in rows)
        return Markup(f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        if self.title:
            yield Text(sanitize(self.title), style="bold")
        if self.note:
            yield Constrain(Text(sanitize(self.note)), _PROSE)
        if (self.rows and self.columns) or not (self.title or self.note):
            yield from self._fitted(options.max_width if options.is_terminal else None)
        if self.rest:
            yield Text(self.rest, style="dim")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return measure_renderables(console, options, list(self.__rich_console__(console, options)))

    def _fitted(self, width: int | None) -> Iterator[RenderableType]:
        cells, places = self.cells(), list(range(len(self.columns)))
        if width is None:
            yield self._grid(cells, places, {}, cut=False)
            return
        # Each column is measured once: there may be thousands.
        longest = [max((cell_len(row[place]) for row in cells), default=0) for place in places]
        for head in _HEADS:
            least = [self._least(place, longest[place], head) for place in places]
            needed, left = sum(least) + _GAP * (len(least) - 1), set[int]()
            for place in reversed(places):
                if head and needed > width and self.columns[place].keep == "extra":
                    left.add(place)
                    needed -= least[place] + _GAP
            if needed <= width:
                shown = [place for place in places if place not in left]
                yield self._grid(cells, shown, {place: least[place] for place in shown} if head else {}, cut=True)
                if left:
                    names = [self.columns[place].heading for place in sorted(left)]
                    named = ", ".join([*names[:_NAMED], *["…"] * (len(names) > _NAMED)])
                    text = f"+{counted(len(left), 'column')} ({named}): a wider terminal or --json shows them."
                    yield Text(text, style="dim", overflow="fold")
                return
        yield from self._records(cells, width)

    def _least(self, place: int, longest: int, head: int | None) -> int:
        """The least width of a column."""
        column = self.columns[place]
        name = cell_len(column.heading)
        if column.keep == "wrapped":
            return min(max(longest, name), _WRAPPED)
        content = longest if column.keep == "whole" else min(longest, _LONGEST)
        if head is None:
            return max(content, name)
        word = max(map(cell_len, column.heading.split()), default=0)
        return max(content, min(name, max(head, min(word, 16))))

    def _grid(self, cells: list[list[str]], shown: Sequence[int], widths: Mapping[int, int], *, cut: bool) -> Grid:
        grid = Grid(box=None, header_style="bold", pad_edge=False)
        for place in shown:
            column = self.columns[place]
            wraps, width = cut and column.keep == "wrapped", widths.get(place)
            narrow = width is not None and not wraps and cell_len(column.heading) > width
            grid.add_column(
                Text(column.heading, overflow="fold"),
                justify="right" if column.right else "left",
                overflow="fold",
                no_wrap=not wraps and not narrow,
                width=width if narrow else None,
            )
        for row, texts in zip(self.rows, cells, strict=False):
            line = [self._cell(place, row, texts[place], cut=cut) for place in shown]
            grid.add_row(*line, style=self.look(row))
        return grid

    def _cell(self, place: int, row: Mapping[str, Any], text: str, *, cut: bool) -> Text:
        column = self.columns[place]
        if cut and column.keep in ("cut", "extra") and cell_len(text) > _LONGEST:
            text = set_cell_size(text, _LONGEST - 1).rstrip() + "…"
        return Text(text, style=column.colour(row.get(column.key)) if column.colour else "")

    def _records(self, cells: list[list[str]], width: int) -> Iterator[RenderableType]:
        names = min(max((cell_len(column.heading) for column in self.columns), default=0), width // 2 - _GAP)
        for number, (row, texts) in enumerate(zip(self.rows, cells, strict=False)):
            if number:
                yield Text()
            grid = _labelled(names)
            for place, column in enumerate(self.columns):
                grid.add_row(
                    Text(column.heading), self._cell(place, row, texts[place], cut=False), style=self.look(row)
                )
            yield grid


def pairs(lines: Sequence[tuple[str, str]]) -> Grid:
    """Labels and texts for a terminal, one below the other."""
    grid = _labelled()
    for label, text in lines:
        grid.add_row(Text(sanitize_line(label)), Text(sanitize(text)))
    return grid


def _labelled(width: int | None = None) -> Grid:
    grid = Grid.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
    grid.add_column(width=width, overflow="fold", style="bold")
    grid.add_column(overflow="fold")
    return grid


def text_table(table: pa.Table, name: str = "") -> Table:
    """A table with the columns of an Arrow table."""
    columns = [Column(field.name, field.name or " ", right=_is_number(field.type)) for field in table.schema]
    return Table("", columns, _rows(table), name=name)


def write_table(table: pa.Table, form: str, sink: Any) -> None:
    """Write a table into a file, in one of `FORMATS`."""
    try:
        FORMATS[form](table, sink)
    except pa.ArrowException as error:
        raise _without_form(form, error) from None


def _write_json(table: pa.Table, sink: Any) -> None:
    sink.write((json.dumps(plain(_rows(table)), allow_nan=False) + "\n").encode())


FORMATS: Mapping[str, Callable[[pa.Table, Any], Any]] = {
    "csv": csv.write_csv,
    "json": _write_json,
    "parquet": lambda table, sink: write_parquet(table.schema, table.to_batches(), sink),
}
"""The formats of tables, besides the text on a terminal."""


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = table.to_pylist()
    except (OverflowError, ValueError) as error:
        # SQL has years behind 9999 and an infinite date; Python has neither.
        raise _without_form("text", error) from None
    return rows


def _without_form(form: str, error: Exception) -> UsageError:
    return UsageError(f"A value of the result cannot be written as {form}: {error}. Convert it: column::varchar.")
