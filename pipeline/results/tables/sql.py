"""SQL of users over studies' tables: a query can read the tables, and nothing else."""

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import UsageError
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import FRONT, objective_columns, pareto_front, quoted, values_at_best
from pipeline.storage.schema import TABLES
from pipeline.storage.tables import open_database
from pipeline.study import Objective
from pipeline.study.ranking import ranking_sql
from pipeline.text import closest

OF_OBJECTIVE = ("objective", "last_objective")
"""Columns whose values cannot be compared across objectives."""

_BATCH = 10_000
"""Rows of an answer in memory at a time."""

_UNKNOWN_COLUMN = re.compile(r'(?:Referenced column|does not have a column named) "([^"]+)"')
"""DuckDB's messages about a column that does not exist."""

_INTERRUPT_SECONDS = 0.05
"""How often a query that must end is interrupted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a query, which is computed while its context is open."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]

    @classmethod
    def of(cls, table: pa.Table) -> "Answer":
        """A table in memory as an answer."""
        return cls(table.schema, iter(table.to_batches()))

    def head(self, rows: int) -> pa.Table:
        """The first rows; at most one more batch is computed."""
        batches: list[pa.RecordBatch] = []
        missing = rows
        while missing > 0 and (batch := next(self.batches, None)) is not None:
            batches.append(batch.slice(0, missing))
            missing -= batch.num_rows
        return pa.Table.from_batches(batches, self.schema)


def query(studies: Mapping[str, Results], sql: str) -> pa.Table:
    """The answer to a SELECT over the tables `trials`, `epochs` and `decisions` of studies by their labels."""
    with stream_answer(studies, sql) as answer:
        return pa.Table.from_batches(answer.batches, answer.schema)


@contextmanager
def stream_answer(studies: Mapping[str, Results], sql: str, seconds: float | None = None) -> Iterator[Answer]:
    """The answer of `query`, batch by batch: an answer of any size takes no more memory than a batch."""
    with open_database() as database:
        columns: dict[str, None] = {}
        for name in TABLES:
            tables = {label: results.table(name) for label, results in studies.items()}
            columns |= dict.fromkeys(column for table in tables.values() for column in table.column_names)
            _fill_table(database, name, tables)
        database.execute("set lock_configuration = true")
        with run_select(database, sql, "The SQL", columns=columns, seconds=seconds) as answer:
            yield answer


class TrialsDatabase:
    """The table `trials` of studies, as long as the context is open or the object is in use.

    Several threads may select from it in parallel; a selection changes nothing. With several objectives, it also has
    their values, and which trials are on the front.
    """

    def __init__(self, studies: Mapping[str, Results], *, only: Mapping[str, Collection[str]] | None = None) -> None:
        tables = {
            label: _selected_trials(results, None if only is None else only[label])
            for label, results in studies.items()
        }
        self._columns = list(dict.fromkeys(name for table in tables.values() for name in table.column_names))
        ranks = {
            label: f", {number} as _group, {'-' if studies[label].objective.mode == 'max' else ''}objective as _loss"
            for number, group in enumerate(by_objective(studies))
            for label in group
        }
        self._database = open_database()
        # The order of the rows is part of the table: trials come by id.
        _fill_table(self._database, "trials", tables, ranks)
        self._database.execute("set lock_configuration = true")

    def __enter__(self) -> "TrialsDatabase":
        """The database itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._database.close()

    def select(
        self,
        *,
        where: str | None = None,
        sort: Sequence[str] = (),
        columns: Sequence[str] = (),
        best_first: bool = False,
        seconds: float | None = None,
    ) -> pa.Table:
        """Rows and columns; rows that tie are sorted by study and by trial."""
        if where is not None and not where.strip():
            raise UsageError("--where must be a condition, as in \"state = 'completed'\"; found nothing.")
        named = {"--sort": [name.removeprefix("-") for name in sort], "--columns": columns}
        for option, name in ((option, name) for option, names in named.items() for name in names):
            if name not in self._columns:
                near = suggested_column(name, self._columns)
                hint = f" Did you mean {near}?" if near else ""
                raise UsageError(
                    f"{option} must name columns of the table trials; found {name!r:.100}.{hint} Available: "
                    f"{', '.join(self._columns)}."
                )
        order = list[str]() if sort or not best_first else ["_group", *ranking_sql("_loss")]
        for name in sort:
            column = name.removeprefix("-")
            order += ["_group"] if column in OF_OBJECTIVE else []
            order.append(f"{quoted(column)} {'desc' if name.startswith('-') else 'asc'} nulls last")
        chosen = ", ".join(map(quoted, columns or self._columns))
        # On a separate line, a comment in the condition cannot swallow the bracket.
        condition = f"where (\n{where}\n)" if where is not None else ""
        sql = f"select {chosen} from trials {condition} order by {', '.join([*order, 'rowid'])}"
        with run_select(
            self._database, sql, "--where", condition=where, columns=self._columns, seconds=seconds
        ) as answer:
            return pa.Table.from_batches(answer.batches, answer.schema)


def by_objective(studies: Mapping[str, Results]) -> list[list[str]]:
    """The studies whose values can be compared, in the order given: one list for each objective."""
    groups: dict[Objective, list[str]] = {}
    for label, results in studies.items():
        groups.setdefault(results.objective, []).append(label)
    return list(groups.values())


def _selected_trials(results: Results, only: Collection[str] | None) -> pa.Table:
    trials = results.table("trials")
    if len(results.objectives) > 1:
        # What the leaderboard shows in addition to the first objective.
        for place, name in list(enumerate(objective_columns(results).values()))[1:]:
            trials = trials.append_column(name, values_at_best(results)[str(place)])
        front = pa.array([point.trial_id for point in pareto_front(results)], pa.string())
        trials = trials.append_column(FRONT, pc.is_in(trials["trial_id"], value_set=front))
    if only is None:
        return trials
    return trials.filter(pc.is_in(trials["trial_id"], value_set=pa.array(list(only), pa.string())))


def _fill_table(
    database: duckdb.DuckDBPyConnection,
    name: str,
    tables: Mapping[str, pa.Table],
    more: Mapping[str, str] | None = None,
) -> None:
    """Make a table of the rows of all studies with their labels; a column that only some have is null elsewhere.

    NaN is missing, as pandas shows it.
    """
    selects = []
    for place, (label, table) in enumerate(tables.items()):
        database.register(f"part_{place}", table.replace_schema_metadata())
        changed = [f"'{label.replace(chr(39), chr(39) * 2)}' as study"]
        for field in table.schema:
            if pa.types.is_floating(field.type):
                column = quoted(field.name)
                changed.append(f"case when not isnan({column}) then {column} end as {column}")
        selects.append(f"select * replace ({', '.join(changed)}){(more or {}).get(label, '')} from part_{place}")
    database.execute(f"create table {name} as {' union all by name '.join(selects)}")
    for place in range(len(tables)):
        database.unregister(f"part_{place}")


@contextmanager
def run_select(
    database: duckdb.DuckDBPyConnection,
    sql: str,
    what: str,
    *,
    condition: str | None = None,
    columns: Collection[str] = (),
    seconds: float | None = None,
) -> Iterator[Answer]:
    """The answer to one SELECT, within so many seconds; several may run in parallel, in their own threads."""
    given = repr(" ".join((condition or sql).split()))
    given = given if len(given) <= 80 else f"{given[:80]}…"
    if not sql.isascii() and sql.encode(errors="ignore").decode() != sql:
        raise UsageError(f"{what} must be text; found bytes that are not valid UTF-8 in {given}.")

    def begin(cursor: duckdb.DuckDBPyConnection) -> pa.RecordBatchReader:
        statements = duckdb.extract_statements(sql)
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            one = "SELECT" if condition is None else "condition"
            raise UsageError(f"{what} must be one {one}; found {given}. Tables are only read, never changed.")
        # A SELECT may begin with an INSERT, as one of its common table expressions.
        cursor.execute("begin transaction read only")
        return cursor.sql(sql).to_arrow_reader(_BATCH)

    with closing(database.cursor()) as cursor, ThreadPoolExecutor(1) as pool:
        ends = None if seconds is None else time.monotonic() + seconds

        def work(step: Callable[[], Any]) -> Any:
            # DuckDB works in a thread: in the main one it notices Ctrl-C late, and in some plans never.
            future = pool.submit(step)
            try:
                if not wait([future], timeout=None if ends is None else max(0.0, ends - time.monotonic())).done:
                    raise UsageError(f"The query took longer than {seconds:g} s and was cancelled. Simplify it.")
                return future.result()
            except (duckdb.Error, OSError) as error:  # Arrow's reader raises the latter
                raise UsageError(_unanswered(error, what, columns, all_tables=condition is None)) from None
            except BaseException:
                # An interrupt that comes before the query has begun is lost.
                while not future.done():
                    cursor.interrupt()
                    wait([future], timeout=_INTERRUPT_SECONDS)
                raise

        reader = work(lambda: begin(cursor))
        yield Answer(reader.schema, iter(lambda: work(lambda: next(reader, None)), None))


def suggested_column(name: str, columns: Collection[str]) -> str | None:
    """The column that an unknown name may mean; a hyperparameter may be named without its prefix."""
    names = {column.removeprefix("config_"): column for column in columns} | {column: column for column in columns}
    near = closest(name, names)
    return None if near is None else names[near]


def _unanswered(error: Exception, what: str, columns: Collection[str], *, all_tables: bool) -> str:
    """DuckDB's first sentence, with the column that was meant, and the columns that there are."""
    first = str(error).partition("\n")[0].rstrip(".!")
    unknown = _UNKNOWN_COLUMN.search(first)
    meant = None if unknown is None else suggested_column(unknown[1], columns)
    hint = f" Did you mean {meant}?" if meant else ""
    names = "tables trials, epochs and decisions; docs/tables.md describes them"
    return f"{what} cannot be answered: {first}.{hint} Available: {names if all_tables else ', '.join(columns)}."
