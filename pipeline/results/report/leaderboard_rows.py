"""The rows of a page's leaderboard as HTML. A template would take seconds for ten thousand trials."""

from collections.abc import Callable, Collection, Sequence
from functools import cache
from typing import Any

from markupsafe import Markup, escape

from pipeline.results.analysis.leaderboard import (
    FRONT,
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
from pipeline.space.column_values import scalar
from pipeline.wording import duration

__all__ = ["leaderboard_rows"]


def leaderboard_rows(results: Results, *, numeric: Sequence[bool], printed: int, linked: Collection[str]) -> Markup:
    """The leaderboard's rows, the best trial first: each cell has its text, and the key by which it sorts.

    Args:
        results: A study's results.
        numeric: Whether each column of the leaderboard holds numbers.
        printed: The number of rows that are printed on paper.
        linked: Ids of the trials to which the page has more to say.

    Returns:
        One `tr` element for each trial, without anything that was not escaped.
    """
    shown = columns(results)
    looks = [
        ' class="number"' if number else ' class="state-cell"' if column == STATE else ""
        for column, number in zip(shown, numeric, strict=True)
    ]
    # Many texts are those of many trials.
    html: Callable[[str], str] = cache(lambda text: str(escape(sanitize(text))))

    def row_of(place: int, row: LeaderboardRow) -> str:
        cells = []
        for column, look in zip(shown, looks, strict=True):
            text, key = _cell(row, column)
            if isinstance(key, int | float):
                # A number and its text have nothing to escape.
                sorted_by, inner = str(key), text
            else:
                sorted_by, inner = html(str(key)), html(text)
            if text in linked and column == TRIAL:
                inner = f'<a href="#trial-{inner}">{inner}</a>'
            cells.append(f'<td data-key="{sorted_by}"{look}>{inner}</td>')
        look = f"{'best' if row.best else html(row.state)}{' beyond' if place > printed else ''}"
        return f'<tr class="{look}">{"".join(cells)}</tr>\n'

    return Markup("".join(row_of(place, row) for place, row in enumerate(rows(results), start=1)))


def _cell(row: LeaderboardRow, column: LeaderboardColumn) -> tuple[str, Any]:
    if column == FRONT:
        return ("yes", 0) if row.values[FRONT] else ("–", 1)
    if column not in row.values:
        return "–", ""
    value = row.values[column]
    if column == SECONDS:
        return duration(value), value
    return cell_text(row, column), scalar(value) if column.kind == "config" else value
