"""The rows of a page's leaderboard as HTML. A template would take seconds for ten thousand trials."""

from collections.abc import Callable, Collection, Sequence
from functools import cache
from math import isfinite
from typing import Any

from markupsafe import Markup, escape

from pipeline.results.analysis.leaderboard import (
    FRONT,
    MAX_PARAMETERS,
    SECONDS,
    STATE,
    TRIAL,
    LeaderboardColumn,
    LeaderboardRow,
    columns,
    rows,
)
from pipeline.results.tables.load import Results
from pipeline.results.views.leaderboard import cell_text
from pipeline.sanitize import sanitize
from pipeline.space import scalar
from pipeline.wording import duration, format_number

MAX_ROWS = 10_000
"""The maximum number of rows of a page, which take 6 MB: a browser needs long to show more."""

_REPEATED = str | int


def leaderboard_rows(results: Results, *, numeric: Sequence[bool], printed: int, linked: Collection[str]) -> Markup:
    """The leaderboard's rows, the best trial first and at most `MAX_ROWS`: each cell has its text, and its sort key."""
    board, shown = rows(results, top=MAX_ROWS), columns(results, MAX_PARAMETERS)
    # Many texts are those of many trials.
    html: Callable[[str], str] = cache(lambda text: str(escape(sanitize(text))))
    cells = [
        _cells(board, column, look, html, linked)
        for column, look in zip(shown, map(_look, shown, numeric), strict=True)
    ]
    looks = (
        f"{'best' if row.best else html(row.state)}{' beyond' if place > printed else ''}"
        for place, row in enumerate(board, start=1)
    )
    return Markup(
        "".join(
            f'<tr class="{look}">{"".join(own)}</tr>\n'
            for look, own in zip(looks, zip(*cells, strict=True), strict=True)
        )
    )


def _look(column: LeaderboardColumn, number: bool) -> str:
    return ' class="number"' if number else ' class="state-cell"' if column == STATE else ""


def _cells(
    board: Sequence[LeaderboardRow],
    column: LeaderboardColumn,
    look: str,
    html: Callable[[str], str],
    linked: Collection[str],
) -> list[str]:
    """The cells of a column."""

    def written(row: LeaderboardRow) -> str:
        text, key = _cell(row, column)
        # A number and its text have nothing to escape.
        sorted_by, inner = (str(key), text) if isinstance(key, int) else (html(str(key)), html(text))
        if column == TRIAL and text in linked:
            inner = f'<a href="#trial-{inner}">{inner}</a>'
        return f'<td data-key="{sorted_by}"{look}>{inner}</td>'

    in_words = duration if column == SECONDS else format_number
    known: dict[tuple[type, Any], str] = {}
    cells = []
    for row in board:
        value = row.values.get(column)
        if isinstance(value, float):
            # The page's script reads infinity by another name.
            sorted_by = str(value) if isfinite(value) else str(value).replace("inf", "Infinity")
            cells.append(f'<td data-key="{sorted_by}"{look}>{in_words(value)}</td>')
        elif isinstance(value, _REPEATED):
            # Texts and whole numbers are often those of many trials.
            key = type(value), value
            if key not in known:
                known[key] = written(row)
            cells.append(known[key])
        else:
            cells.append(written(row))
    return cells


def _cell(row: LeaderboardRow, column: LeaderboardColumn) -> tuple[str, Any]:
    if column == FRONT:
        return ("yes", 0) if row.values[FRONT] else ("–", 1)
    if column not in row.values:
        return "–", ""
    value = row.values[column]
    return cell_text(row, column), scalar(value) if column.kind == "config" else value
