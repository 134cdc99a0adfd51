"""SQL over studies' tables, by DuckDB in memory: no file, no extension and no network can be reached from it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import pyarrow as pa

from pipeline.results.tables.database import Answer, TimeLimit, fill_table, locked, open_database, run_select
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials_database import TrialsDatabase, arrow_table
from pipeline.storage.schema import TABLES

__all__ = ["query", "select_from", "select_trials", "stream_answer"]


def query(studies: Mapping[str, Results], sql: str) -> pa.Table:
    """Run a SELECT over the tables `trials`, `epochs` and `decisions`.

    Args:
        studies: Results by the label in the column `study`; the tables hold the rows of all of them, columns that
            only some have are null elsewhere.
        sql: One SELECT, as DuckDB reads it.

    Returns:
        The columns and rows of the SELECT.

    Raises:
        UsageError: It is not a SELECT, uses an unknown name, or exceeds the memory limit.
    """
    with stream_answer(studies, sql) as answer:
        return pa.Table.from_batches(answer.batches, answer.schema)


@contextmanager
def stream_answer(studies: Mapping[str, Results], sql: str, limit: TimeLimit | None = None) -> Iterator[Answer]:
    """The answer of `query`, batch by batch: an answer of any size takes no more memory than a batch.

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
            parts = [arrow_table(results, name, label) for label, results in studies.items()]
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
    best_first: bool = False,
) -> pa.Table:
    """Rows and columns of the table `trials`; with several objectives their values, too, and who is on the front.

    Args:
        results: A study's results.
        where: Which rows, as a condition in SQL: `config_lr > 0.01 and state = 'completed'`; all unless given.
        sort: Columns to sort by, the first before the others; `-` before a name sorts it downwards. Rows without a
            value come last. By trial unless given.
        columns: Which columns, in this order; all unless given.
        only: Ids of the trials that are meant; all unless given.
        best_first: Whether, without `sort`, the best come first and failed ones last.

    Returns:
        One row for each trial that meets the condition; docs/tables.md has the columns.

    Raises:
        UsageError: A column does not exist, or the condition cannot be read.
    """
    meant = None if only is None else {results.name: only}
    with TrialsDatabase({results.name: results}, only=meant) as trials:
        return trials.select(where=where, sort=sort, columns=columns, best_first=best_first)


def select_from(
    studies: Mapping[str, Results],
    *,
    where: str | None = None,
    sort: Sequence[str] = (),
    columns: Sequence[str] = (),
    only: Mapping[str, Collection[str]] | None = None,
) -> pa.Table:
    """The rows and columns of the table `trials` of several studies, as `select_trials` returns those of one.

    Args:
        studies: Results by the label in the column `study`, which is always the first.
        where: Which rows; all unless given.
        sort: Columns to sort by; unless given, the best come first and failed ones last. Where studies differ in their
            objective, its values are sorted study by study of the same one, in the order in which those come.
        columns: Which columns, in this order; all unless given.
        only: Ids of the trials that are meant, by study; all unless given.

    Returns:
        The column `study`, then the chosen columns; columns that a study does not have are null in its rows.

    Raises:
        UsageError: A column does not exist, or the condition cannot be read.
    """
    shown = ["study", *(name for name in columns if name != "study")] if columns else None
    with TrialsDatabase(studies, only=only) as trials:
        return trials.select(where=where, sort=sort, columns=shown, best_first=True)
