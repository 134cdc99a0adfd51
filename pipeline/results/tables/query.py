"""SQL over studies' tables, by DuckDB in memory: no file, no extension and no network can be reached from it."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import UsageError
from pipeline.results.tables.database import (
    Answer,
    TimeLimit,
    fill_table,
    locked,
    open_database,
    run_select,
    suggested_column,
)
from pipeline.results.tables.front import objective_column, objective_values, pareto_front
from pipeline.results.tables.load import Results
from pipeline.sanitize import sanitize
from pipeline.storage.schema import TABLES, arrow_schema
from pipeline.study import Objective
from pipeline.study.ranking import ranking_sql

__all__ = ["OF_OBJECTIVE", "answered", "by_objective", "labels", "query", "select_from", "select_trials"]

OF_OBJECTIVE = ("objective", "last_objective")
"""Columns whose values cannot be compared across objectives."""


def query(studies: Mapping[str, Results], sql: str) -> pa.Table:
    """Run a SELECT over the tables `trials`, `epochs` and `decisions`.

    Args:
        studies: Results by what the column `study` is to say; the tables hold the rows of all of them, columns that
            only some have are null elsewhere.
        sql: One SELECT, as DuckDB reads it.

    Raises:
        UsageError: It is no SELECT, names what is not there, or needs more memory than there is for it.
    """
    with answered(studies, sql) as answer:
        return pa.Table.from_batches(answer.batches, answer.schema)


@contextmanager
def answered(studies: Mapping[str, Results], sql: str, limit: TimeLimit | None = None) -> Iterator[Answer]:
    """As `query`, batch by batch: an answer of any size takes no more memory than a batch.

    Args:
        studies: As `query` takes them.
        sql: One SELECT, as DuckDB reads it.
        limit: How long it may take; by default as long as it takes.

    Raises:
        UsageError: As `query`, or the time is up; also while the batches are read.
    """
    with open_database() as database:
        columns: dict[str, None] = {}
        for name in TABLES:
            parts = [_arrow(results, name, label) for label, results in studies.items()]
            columns |= dict.fromkeys(column for part in parts for column in part.column_names)
            fill_table(database, name, parts)
        with run_select(locked(database), sql, "The SQL", columns=columns, limit=limit) as answer:
            yield answer


def select_trials(
    results: Results,
    *,
    where: str | None = None,
    sort: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    only: Collection[str] | None = None,
) -> pa.Table:
    """Rows and columns of the table `trials`; with several objectives their values, too, and who is on the front.

    Args:
        results: A study's results.
        where: Which rows, as a condition in SQL: `config_lr > 0.01 and state = 'completed'`; all unless given.
        sort: Columns to sort by, the first before the others; `-` before a name sorts it downwards. Rows without a
            value come last. By trial unless given.
        columns: Which columns, in this order; all unless given.
        only: Ids of the trials that are meant; all unless given.

    Raises:
        UsageError: A column is not there, or the condition cannot be read.
    """
    order = [_ordered(name) for name in sort]
    meant = None if only is None else {results.name: only}
    return _selected({results.name: results}, where, sort, order, columns, meant)


def select_from(
    studies: Mapping[str, Results],
    *,
    where: str | None = None,
    sort: Sequence[str] = (),
    columns: Sequence[str] = (),
    only: Mapping[str, Collection[str]] | None = None,
) -> pa.Table:
    """As `select_trials`, of several studies at once.

    Args:
        studies: Results by what the column `study`, always the first, is to say.
        where: Which rows; all unless given.
        sort: Columns to sort by; unless given, the best come first and failed ones last. Where studies differ in their
            objective, its values are sorted study by study of the same one, in the order in which those come.
        columns: Which columns, in this order; all unless given.
        only: Ids of the trials that are meant, by study; all unless given.

    Raises:
        UsageError: A column is not there, or the condition cannot be read.
    """
    comparable = by_objective(studies)
    group_of_study = _case({label: str(number) for number, group in enumerate(comparable) for label in group}, "0")
    if sort:
        apart = {name for name in sort if name.removeprefix("-") in OF_OBJECTIVE}
        order = [part for name in sort for part in ([group_of_study] if name in apart else []) + [_ordered(name)]]
    else:
        loss = _case(
            {label: "-objective" for label, one in studies.items() if one.objective.mode == "max"}, "objective"
        )
        order = [group_of_study, *ranking_sql(f"({loss})")]
    shown = ["study", *(name for name in columns if name != "study")] if columns else None
    return _selected(studies, where, sort, order, shown, only)


def by_objective(studies: Mapping[str, Results]) -> list[list[str]]:
    """Studies whose values can be compared: those of one objective together, in the order in which they come.

    Args:
        studies: Results by what each study is called.
    """
    groups: dict[Objective, list[str]] = {}
    for label, results in studies.items():
        groups.setdefault(results.objective, []).append(label)
    return list(groups.values())


def _selected(
    studies: Mapping[str, Results],
    where: str | None,
    sort: Sequence[str],
    order: Sequence[str],
    columns: Sequence[str] | None,
    only: Mapping[str, Collection[str]] | None,
) -> pa.Table:
    """Rows and columns of the table `trials`, in an order as SQL has it; what ties, by study and by trial."""
    if where is not None and not where.strip():
        raise UsageError("--where must be a condition, as in \"state = 'completed'\"; found nothing.")
    parts = [_meant(results, label, None if only is None else only[label]) for label, results in studies.items()]
    known = list(dict.fromkeys(name for part in parts for name in part.column_names))
    for name in [name.removeprefix("-") for name in sort]:
        _there(name, known, "--sort")
    for name in columns or ():
        _there(name, known, "--columns")
    chosen = ", ".join(f'"{name}"' for name in columns) if columns else "*"
    # On a separate line, a comment in the condition cannot swallow the bracket.
    condition = f"where (\n{where}\n)" if where is not None else ""
    with open_database() as database:
        # The order of the rows is part of the table: trials come by id.
        fill_table(database, "trials", parts)
        sql = f"select {chosen} from trials {condition} order by {', '.join([*order, 'rowid'])}"
        with run_select(locked(database), sql, "--where", condition=where, columns=known) as answer:
            return pa.Table.from_batches(answer.batches, answer.schema)


def _meant(results: Results, label: str, only: Collection[str] | None) -> pa.Table:
    table = _with_objectives(results, _arrow(results, "trials", label))
    if only is None:
        return table
    return table.filter(pc.is_in(table["trial_id"], value_set=pa.array(list(only), pa.string())))


def _ordered(name: str) -> str:
    return f'"{name.removeprefix("-")}" {"desc" if name.startswith("-") else "asc"} nulls last'


def _case(by_study: Mapping[str, str], otherwise: str) -> str:
    """SQL that says something else for each study."""
    whens = " ".join(f"when '{label.replace(chr(39), chr(39) * 2)}' then {then}" for label, then in by_study.items())
    return f"case study {whens} else {otherwise} end" if whens else otherwise


def labels(named: Sequence[tuple[str, Results]]) -> dict[str, Results]:
    """Studies by a unique label: the name, or the caller's name for the study where two have the same name.

    Args:
        named: How the caller names each study, and its results.
    """
    apart = dict(named)
    names = [results.name for results in apart.values()]
    return {
        results.name if names.count(results.name) == 1 else sanitize(given.rstrip("/")): results
        for given, results in apart.items()
    }


def _there(name: str, known: Sequence[str], option: str) -> None:
    if name in known:
        return
    near = suggested_column(name, known)
    hint = f" Did you mean {near}?" if near else ""
    raise UsageError(
        f"{option} must name columns of the table trials; found {name!r:.100}.{hint} There are {', '.join(known)}."
    )


def _arrow(results: Results, name: str, label: str) -> pa.Table:
    """A table of a study as Arrow has it, whatever pandas made of its columns."""
    frame: pd.DataFrame = getattr(results, name)
    metrics = [str(column) for column in frame.columns if name == "epochs" and not _fixed(str(column))]
    schema = arrow_schema(name, results.space, metrics)
    schema = pa.schema([field for field in schema if field.name in frame.columns])
    columns: dict[str, Any] = {field.name: frame[field.name] for field in schema}
    arrays = [pa.array(columns[field.name], field.type, from_pandas=True) for field in schema]
    table = pa.Table.from_arrays(arrays, schema=schema.remove_metadata())
    return table.set_column(table.column_names.index("study"), "study", pa.array([label] * len(frame), pa.string()))


def _with_objectives(results: Results, trials: pa.Table) -> pa.Table:
    """Trials with what the leaderboard shows beside the first objective, where there is more than one."""
    if len(results.objectives) < 2:
        return trials
    values = objective_values(results)
    for metric in list(values.columns)[1:]:
        if (name := objective_column(metric, results)) not in trials.column_names:
            trials = trials.append_column(name, pa.array(values[metric], pa.float64(), from_pandas=True))
    front = {point.trial_id for point in pareto_front(results)}
    return trials.append_column("front", pa.array([trial in front for trial in values.index], pa.bool_()))


def _fixed(column: str) -> bool:
    return bool(re.match("config_", column)) or column in {known.name for known in TABLES["epochs"]}
