"""Several studies at once: their trials on one leaderboard, and what can be compared in it."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
from rich.table import Table
from rich.text import Text

from pipeline.legible import legible
from pipeline.results.leaderboard import Line, columns_by_kind, lines
from pipeline.results.load import Results
from pipeline.results.query import OF_OBJECTIVE, by_objective
from pipeline.results.states import STATES

__all__ = ["best_of_each", "objectives_in_words", "several_leaderboard"]

_KINDS = ("fixed", "metric", "front", "config")
"""What the columns hold, in the order in which they stand."""

_TRIAL, _STATE = ("fixed", "trial"), ("fixed", "state")

_WORDS = (_TRIAL, _STATE, ("front", "front"))
"""Columns that hold no numbers."""


def several_leaderboard(studies: Mapping[str, Results], shown: Sequence[tuple[str, str]]) -> Table:
    """Trials of several studies, each with the config in force at its best epoch.

    Args:
        studies: Results by what each study is called.
        shown: Study and trial of each row, in this order.

    Returns:
        A table whose first column is the study; the first objective of each has a column, and each parameter that any
        of them draws. The best trial of each study is bold.
    """
    columns = _columns(studies)
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("study")
    for column in columns:
        table.add_column(Text(legible(column[1])), justify="left" if column in _WORDS else "right")
    rows = {
        label: _rows(results, [trial for one, trial in shown if one == label]) for label, results in studies.items()
    }
    for label, trial in shown:
        line, cells = rows[label][trial]
        look = STATES[line.state].colour if line.state in STATES else ""
        told = [_cell(column, cells, look) for column in columns]
        table.add_row(Text(legible(label)), *told, style="bold" if line.best else "")
    return table


def best_of_each(studies: Mapping[str, Results], table: pa.Table, top: int | None) -> pa.Table:
    """The first rows of each objective, where studies differ in theirs; of all of them else.

    Args:
        studies: Results by what each study is called.
        table: Rows with a column `study`.
        top: How many rows; None for all.
    """
    if top is None:
        return table
    place = {label: number for number, group in enumerate(by_objective(studies)) for label in group}
    left, kept = dict.fromkeys(place.values(), top), []
    for row, label in enumerate(table["study"].to_pylist()):
        if left[place[label]] > 0:
            left[place[label]] -= 1
            kept.append(row)
    return table.take(pa.array(kept, pa.int64()))


def objectives_in_words(studies: Mapping[str, Results], sort: Sequence[str]) -> str:
    """How trials are sorted where the studies differ in their objective; empty where that makes no difference.

    Args:
        studies: Results by what each study is called.
        sort: The columns by which they are sorted, as `select_from` takes them.
    """
    groups = by_objective(studies)
    if len(groups) < 2 or (sort and not {name.removeprefix("-") for name in sort} & set(OF_OBJECTIVE)):
        return ""
    told = []
    for group in groups:
        objective = studies[group[0]].objective
        told.append(f"{', '.join(group)} by {objective.metric} ({objective.mode})")
    return (
        f"These studies are judged by different objectives: {'; '.join(told)}. Values of one are sorted, and --top "
        "counted, apart from those of another."
    )


def _columns(studies: Mapping[str, Results]) -> list[tuple[str, str]]:
    """Every study's columns by kind and name, the first objectives behind the trial."""
    first = [("metric", results.objective.metric) for results in studies.values()]
    found = [column for results in studies.values() for column in columns_by_kind(results)]
    return list(dict.fromkeys([_TRIAL, *first, *sorted(found, key=lambda column: _KINDS.index(column[0]))]))


def _rows(results: Results, trials: Sequence[str]) -> dict[str, tuple[Line, dict[tuple[str, str], str]]]:
    """Lines of a study's leaderboard with their cells by column."""
    columns = columns_by_kind(results)
    found = lines(results, top=None, only=trials, in_order=True)
    return {
        trial: (line, dict(zip(columns, line.cells, strict=True))) for trial, line in zip(trials, found, strict=True)
    }


def _cell(column: tuple[str, str], cells: Mapping[tuple[str, str], str], look: str) -> Text:
    missing = "" if column[0] == "front" else "–"
    return Text(legible(cells.get(column, missing)), style=look if column == _STATE else "")
