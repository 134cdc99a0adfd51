"""The rows of a page's leaderboard as HTML. A template would take seconds for ten thousand trials."""

from collections.abc import Collection, Sequence
from functools import cache
from math import isfinite
from typing import Any

from markupsafe import Markup, escape

from pipeline.results.tables.load import Results
from pipeline.results.views.study import MAX_PARAMETERS, leaderboard
from pipeline.results.views.table import Column
from pipeline.space import scalar
from pipeline.text import duration, sanitize

MAX_ROWS = 10_000
"""The maximum number of rows of a page, which take 6 MB: a browser needs long to show more."""


def leaderboard_rows(results: Results, *, numeric: Sequence[bool], printed: int, linked: Collection[str]) -> Markup:
    """The leaderboard's rows, the best trial first and at most `MAX_ROWS`: each cell has its text, and its sort key."""
    board = leaderboard({results.name: results}, top=MAX_ROWS, most=MAX_PARAMETERS)
    looks = [
        ' class="number"' if number else ' class="state-cell"' if column.key == "state" else ""
        for column, number in zip(board.columns, numeric, strict=True)
    ]
    columns = [
        [_cell(row.get(column.key), column, look, linked) for row in board.rows]
        for column, look in zip(board.columns, looks, strict=True)
    ]
    classes = (
        f"{'best' if row['is_best'] else escape(row['state'])}{' beyond' if place > printed else ''}"
        for place, row in enumerate(board.rows, start=1)
    )
    lines = zip(classes, zip(*columns, strict=True), strict=True)
    return Markup("".join(f'<tr class="{look}">{"".join(cells)}</tr>\n' for look, cells in lines))


def _cell(value: Any, column: Column, look: str, linked: Collection[str]) -> str:
    if isinstance(value, float):
        # A number and its text have nothing to escape. The page's script reads infinity by another name.
        key = str(value) if isfinite(value) else str(value).replace("inf", "Infinity")
        return f'<td data-key="{key}"{look}>{duration(value) if column.key == "seconds" else column.text(value)}</td>'
    text = _escaped(column.cell({column.key: value}))
    if column.key == "front":
        return f'<td data-key="{0 if value else 1}"{look}>{text or "–"}</td>'
    if column.key == "trial_id" and value in linked:
        text = f'<a href="#trial-{text}">{text}</a>'
    sorted_by = "" if value is None else scalar(value) if column.key.startswith("config_") else value
    return f'<td data-key="{_escaped(str(sorted_by))}"{look}>{text}</td>'


@cache
def _escaped(text: str) -> str:
    return str(escape(sanitize(text)))
