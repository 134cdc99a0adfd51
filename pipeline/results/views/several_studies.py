"""Several studies: their trials on one leaderboard, and the columns that can be compared."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from pipeline.results.analysis.leaderboard import TRIAL, LeaderboardColumn, columns, rows
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials_database import OF_OBJECTIVE, by_objective
from pipeline.results.views.fitted_table import Column, FittedTable
from pipeline.results.views.leaderboard import MORE, fitted_column, terminal_cells

_KINDS = ("fixed", "metric", "front", "config")
"""What the columns hold, in the order in which they stand."""


def several_leaderboard(studies: Mapping[str, Results], shown: Sequence[tuple[str, str]]) -> FittedTable:
    """Trials of several studies, each with the config in force at its best epoch."""
    columns = _columns(studies)
    table = FittedTable([Column("study"), *map(fitted_column, columns)], more=MORE)
    by_study = {
        label: {row.trial_id: row for row in rows(results, only=[trial for name, trial in shown if name == label])}
        for label, results in studies.items()
    }
    for label, trial in shown:
        row = by_study[label][trial]
        table.add_row(label, *terminal_cells(row, columns), style="bold" if row.best else "")
    return table


def best_of_each(studies: Mapping[str, Results], table: pa.Table, top: int | None) -> pa.Table:
    """The first rows of each objective if studies have different ones; otherwise the first rows of all."""
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
    """How trials are sorted where the studies differ in their objective; empty if that makes no difference."""
    groups = by_objective(studies)
    if len(groups) < 2 or (sort and not {name.removeprefix("-") for name in sort} & set(OF_OBJECTIVE)):
        return ""
    parts = []
    for group in groups:
        objective = studies[group[0]].objective
        parts.append(f"{', '.join(group)} by {objective.metric} ({objective.mode})")
    return (
        f"These studies have different objectives: {'; '.join(parts)}. Values are sorted, and --top counts, for each "
        "objective separately."
    )


def _columns(studies: Mapping[str, Results]) -> list[LeaderboardColumn]:
    """The columns of all studies, the first objectives after the trial."""
    first = [LeaderboardColumn("metric", results.objective.metric) for results in studies.values()]
    present = [column for results in studies.values() for column in columns(results)]
    return list(dict.fromkeys([TRIAL, *first, *sorted(present, key=lambda column: _KINDS.index(column.kind))]))
