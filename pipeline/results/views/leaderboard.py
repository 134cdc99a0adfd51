"""The leaderboard as a table for a terminal and for a notebook."""

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

from rich.text import Text

from pipeline.results.analysis.domains import format_value
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
from pipeline.results.analysis.parameters import by_influence, tuned
from pipeline.results.tables.load import Results
from pipeline.results.views.fitted_table import Column, FittedTable
from pipeline.results.views.shown_parameters import of_shown
from pipeline.results.views.states import STATES
from pipeline.sanitize import sanitize_line
from pipeline.wording import counted, format_number

MORE = "a wider terminal or --format csv shows all, --columns those of your choice"
"""How to see the columns that a leaderboard leaves out."""

_NOTEBOOK_ROWS = 10


def leaderboard(
    results: Results, *, top: int | None = 10, only: Sequence[str] | None = None, in_order: bool = False
) -> FittedTable:
    """The best trials, each with the config in force at its best epoch."""
    shown = columns(results)

    def least_telling_first() -> list[int]:
        place = {column: number for number, column in enumerate(shown)}
        return [place[LeaderboardColumn("config", name)] for name in reversed(by_influence(results))]

    table = FittedTable([fitted_column(column) for column in shown], more=MORE, first_out=least_telling_first)
    for row in rows(results, top=top, only=only, in_order=in_order):
        table.add_row(*terminal_cells(row, shown), style="bold" if row.best else "")
    return table


def fitted_column(column: LeaderboardColumn) -> Column:
    """The layout of a column: trial, state and objectives are never left out."""
    whole = column.kind == "metric" or column in (TRIAL, STATE)
    return Column(column.name, right=column not in (TRIAL, STATE, FRONT), keep="whole" if whole else "extra")


def terminal_cells(row: LeaderboardRow, shown: Sequence[LeaderboardColumn]) -> list[Text]:
    """The cells of a row, the state in its colour."""
    colour = STATES[row.state].colour if row.state in STATES else ""
    return [Text(sanitize_line(cell_text(row, column)), style=colour if column == STATE else "") for column in shown]


def cell_text(row: LeaderboardRow, column: LeaderboardColumn) -> str:
    """The text of a cell; a dash where the trial has no value."""
    if column == FRONT:
        return "yes" if row.values.get(FRONT) else ""
    if column not in row.values:
        return "–"
    value: Any = row.values[column]
    if column == SECONDS:
        return f"{value:.1f}"
    if column.kind == "metric":
        return format_number(value)
    return format_value(value) if column.kind == "config" else str(value)


def as_html(results: Results) -> str:
    """The leaderboard as a table for a notebook: the best trials."""
    shown, parameters = columns(results, MAX_PARAMETERS), len(tuned(results))
    head = "".join(f"<th>{escape(sanitize_line(column.name))}</th>" for column in shown)
    body = "".join(
        f"<tr>{''.join(f'<{tag}>{escape(cell_text(row, column))}</{tag}>' for column in shown)}</tr>"
        for row in rows(results, top=_NOTEBOOK_ROWS)
        for tag in ["th" if row.best else "td"]
    )
    more = results.table("trials").num_rows - _NOTEBOOK_ROWS
    rest = f"<p>… and {more} more in <code>.trials</code>.</p>" if more > 0 else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if body else ""
    some = of_shown(results, min(parameters, MAX_PARAMETERS), parameters)
    return f"<p>{escape(summary_line(results))}</p>{table}{rest}{f'<p>{escape(some)}</p>' if some else ''}"


def summary_line(results: Results) -> str:
    """A study in one line: its name, its state, how its trials stand, and how many epochs they trained."""
    counts = Counter(results.table("trials")["state"].to_pylist()).most_common()
    states = ", ".join(f"{count} {state}" for state, count in counts)
    epochs = counted(results.table("epochs").num_rows, "epoch")
    return f"{results.name}  {results.state}, {states or 'no trials yet'}; {epochs}"
