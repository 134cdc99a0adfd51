"""SQL over studies' tables, by DuckDB in memory: no file, no extension and no network can be reached from it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import pyarrow as pa

from pipeline.results.tables.database import Answer, TimeLimit, fill_table, locked, open_database, run_select
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials_database import TrialsDatabase, arrow_table
from pipeline.storage.schema import TABLES


def query(studies: Mapping[str, Results], sql: str) -> pa.Table:
    """Run a SELECT over the tables `trials`, `epochs` and `decisions`."""
    with stream_answer(studies, sql) as answer:
        return pa.Table.from_batches(answer.batches, answer.schema)


@contextmanager
def stream_answer(studies: Mapping[str, Results], sql: str, limit: TimeLimit | None = None) -> Iterator[Answer]:
    """The answer of `query`, batch by batch: an answer of any size takes no more memory than a batch."""
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
    """Rows and columns of the table `trials`; with several objectives their values, too, and who is on the front."""
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
    """The rows and columns of the table `trials` of several studies, as `select_trials` returns those of one."""
    shown = ["study", *(name for name in columns if name != "study")] if columns else None
    with TrialsDatabase(studies, only=only) as trials:
        return trials.select(where=where, sort=sort, columns=shown, best_first=True)
