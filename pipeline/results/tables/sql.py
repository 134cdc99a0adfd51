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
from pipeline.results.tables.trials import FRONT, objective_columns, pareto_front, values_at_best
from pipeline.storage.schema import TABLES
from pipeline.storage.tables import open_database
from pipeline.study import Objective
from pipeline.study.ranking import ranking_sql
from pipeline.text import closest

OF_OBJECTIVE = ("objective", "last_objective")
"""Columns whose values cannot be compared across objectives."""

_BATCH = 10_000
"""Rows of an answer in memory at a time."""


SLOW_SECONDS = 5.0
"""A query that takes longer than this is reported as slow."""

_PARAMETER = "config_"
"""The prefix of the columns of hyperparameters."""

_UNKNOWN_COLUMN = re.compile(r'(?:Referenced column|does not have a column named) "([^"]+)"')
"""DuckDB's messages about a column that does not exist."""

_INTERRUPT_SECONDS = 0.05
"""How often a query that must end is interrupted."""


class TimeLimit:
    """How long a query may take, counted from its start, and the function that reports a slow query."""

    def __init__(
        self,
        seconds: float | None = None,
        on_slow: Callable[[float], None] | None = None,
        *,
        slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        self._seconds, self._on_slow, self._slow_seconds = seconds, on_slow, slow_seconds
        self._started = time.monotonic()

    @property
    def left(self) -> float | None:
        """Seconds until `passed` has something to do; None if it never has."""
        ends = [self._seconds, self._slow_seconds if self._on_slow else None]
        known = [end for end in ends if end is not None]
        return max(0.0, self._started + min(known) - time.monotonic()) if known else None

    def passed(self) -> None:
        """Report a slow query, or end it."""
        spent = time.monotonic() - self._started
        if self._seconds is not None and spent >= self._seconds:
            raise UsageError(
                f"The query took longer than {self._seconds:g} s and was cancelled. Simplify it, or allow more seconds."
            )
        if self._on_slow is not None and spent >= self._slow_seconds:
            on_slow, self._on_slow = self._on_slow, None
            on_slow(spent)


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
    """Run a SELECT over the tables `trials`, `epochs` and `decisions` of studies by their labels."""
    with stream_answer(studies, sql) as answer:
        return pa.Table.from_batches(answer.batches, answer.schema)


@contextmanager
def stream_answer(studies: Mapping[str, Results], sql: str, limit: TimeLimit | None = None) -> Iterator[Answer]:
    """The answer of `query`, batch by batch: an answer of any size takes no more memory than a batch."""
    with open_database() as database:
        columns: dict[str, None] = {}
        for name in TABLES:
            parts = [_labelled(results.table(name), label) for label, results in studies.items()]
            columns |= dict.fromkeys(column for part in parts for column in part.column_names)
            _fill_table(database, name, parts)
        with run_select(_locked(database), sql, "The SQL", columns=columns, limit=limit) as answer:
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
    with TrialsDatabase({results.name: results}, only=None if only is None else {results.name: only}) as trials:
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


class TrialsDatabase:
    """The table `trials` in a separate database, as long as the context is open or the object is in use.

    Several threads may select from it in parallel; a selection changes nothing. With several objectives, it also has
    their values, and which trials are on the front.
    """

    def __init__(self, studies: Mapping[str, Results], *, only: Mapping[str, Collection[str]] | None = None) -> None:
        parts = [
            _selected_trials(results, label, None if only is None else only[label])
            for label, results in studies.items()
        ]
        self._columns = list(dict.fromkeys(name for part in parts for name in part.column_names))
        self._group = _case_expression(
            {label: str(number) for number, group in enumerate(by_objective(studies)) for label in group}, "0"
        )
        rising = {label: "-objective" for label, results in studies.items() if results.objective.mode == "max"}
        self._ranking = [self._group, *ranking_sql(f"({_case_expression(rising, 'objective')})")]
        self._database = open_database()
        # The order of the rows is part of the table: trials come by id.
        _fill_table(self._database, "trials", parts)
        _locked(self._database)

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
        columns: Sequence[str] | None = None,
        best_first: bool = False,
        limit: TimeLimit | None = None,
    ) -> pa.Table:
        """Rows and columns; rows that tie are sorted by study and by trial."""
        if where is not None and not where.strip():
            raise UsageError("--where must be a condition, as in \"state = 'completed'\"; found nothing.")
        for name in sort:
            _check_column(name.removeprefix("-"), self._columns, "--sort")
        for name in columns or ():
            _check_column(name, self._columns, "--columns")
        chosen = ", ".join(f'"{name}"' for name in columns) if columns else "*"
        # On a separate line, a comment in the condition cannot swallow the bracket.
        condition = f"where (\n{where}\n)" if where is not None else ""
        sql = f"select {chosen} from trials {condition} order by {', '.join(self._order(sort, best_first=best_first))}"
        with run_select(self._database, sql, "--where", condition=where, columns=self._columns, limit=limit) as answer:
            return pa.Table.from_batches(answer.batches, answer.schema)

    def _order(self, sort: Sequence[str], *, best_first: bool) -> list[str]:
        if not sort:
            return [*(self._ranking if best_first else ()), "rowid"]
        order = []
        for name in sort:
            order += [self._group] if name.removeprefix("-") in OF_OBJECTIVE else []
            order.append(f'"{name.removeprefix("-")}" {"desc" if name.startswith("-") else "asc"} nulls last')
        return [*order, "rowid"]


def by_objective(studies: Mapping[str, Results]) -> list[list[str]]:
    """The studies whose values can be compared, in the order given: one list for each objective."""
    groups: dict[Objective, list[str]] = {}
    for label, results in studies.items():
        groups.setdefault(results.objective, []).append(label)
    return list(groups.values())


def _selected_trials(results: Results, label: str, only: Collection[str] | None) -> pa.Table:
    trials = results.table("trials")
    if len(results.objectives) > 1:
        # What the leaderboard shows in addition to the first objective.
        for place, name in list(enumerate(objective_columns(results).values()))[1:]:
            trials = trials.append_column(name, values_at_best(results)[str(place)])
        front = pa.array([point.trial_id for point in pareto_front(results)], pa.string())
        trials = trials.append_column(FRONT, pc.is_in(trials["trial_id"], value_set=front))
    trials = _labelled(trials, label)
    if only is None:
        return trials
    return trials.filter(pc.is_in(trials["trial_id"], value_set=pa.array(list(only), pa.string())))


def _labelled(table: pa.Table, label: str) -> pa.Table:
    """A table with a study's label instead of its name; NaN is missing, as pandas shows it."""
    table = table.replace_schema_metadata()
    for place, field in enumerate(table.schema):
        column = table.column(place)
        if field.name == "study":
            table = table.set_column(place, "study", pa.array([label] * table.num_rows, pa.string()))
        elif pa.types.is_floating(field.type) and pc.any(pc.is_nan(column)).as_py():
            table = table.set_column(place, field.name, pc.if_else(pc.is_nan(column), None, column))
    return table


def _fill_table(database: duckdb.DuckDBPyConnection, name: str, parts: Sequence[pa.Table]) -> None:
    """Make a table of the rows of all parts; a column that only some have is null elsewhere."""
    for place, part in enumerate(parts):
        database.register(f"part_{place}", part)
    union = " union all by name ".join(f"select * from part_{place}" for place in range(len(parts)))
    database.execute(f"create table {name} as {union}")
    for place in range(len(parts)):
        database.unregister(f"part_{place}")


def _locked(database: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The database with its tables, locked: a query cannot unlock it."""
    database.execute("set lock_configuration = true")
    return database


def _case_expression(by_study: Mapping[str, str], otherwise: str) -> str:
    """An SQL expression with its own value for each study."""
    whens = " ".join(f"when '{label.replace(chr(39), chr(39) * 2)}' then {then}" for label, then in by_study.items())
    return f"case study {whens} else {otherwise} end" if whens else otherwise


def _check_column(name: str, known: Sequence[str], option: str) -> None:
    if name in known:
        return
    near = suggested_column(name, known)
    hint = f" Did you mean {near}?" if near else ""
    raise UsageError(
        f"{option} must name columns of the table trials; found {name!r:.100}.{hint} Available: {', '.join(known)}."
    )


@contextmanager
def run_select(
    database: duckdb.DuckDBPyConnection,
    sql: str,
    what: str,
    *,
    condition: str | None = None,
    columns: Collection[str] = (),
    limit: TimeLimit | None = None,
) -> Iterator[Answer]:
    """The answer to one SELECT; several may run in parallel, in their own threads."""
    if any(0xD800 <= ord(character) < 0xE000 for character in sql):
        raise UsageError(f"{what} must be text; found bytes that are not valid UTF-8 in {_short(condition or sql)}.")

    def message(error: duckdb.Error) -> str:
        return _unanswered(error, what, columns, all_tables=condition is None)

    with closing(database.cursor()) as own, ThreadPoolExecutor(1) as pool:
        query = _Query(own, pool, TimeLimit() if limit is None else limit, message)
        reader = query.work(lambda: _read(own, sql, what, condition))
        yield Answer(reader.schema, query.batches(reader))


@dataclass(frozen=True, slots=True)
class _Query:
    """A query that DuckDB answers in a thread: in the main one it notices Ctrl-C late, and in some plans never."""

    cursor: duckdb.DuckDBPyConnection
    pool: ThreadPoolExecutor
    limit: TimeLimit
    message: Callable[[duckdb.Error], str]

    def work(self, work: Callable[[], Any]) -> Any:
        """What a function returns that lets DuckDB work."""
        future = self.pool.submit(work)
        try:
            while not wait([future], timeout=self.limit.left).done:
                self.limit.passed()
            return future.result()
        except duckdb.Error as error:
            raise UsageError(self.message(error)) from None
        except BaseException:
            # An interrupt that comes before the query has begun is lost.
            while not future.done():
                self.cursor.interrupt()
                wait([future], timeout=_INTERRUPT_SECONDS)
            raise

    def batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """The rows of its answer."""
        while (batch := self.work(lambda: next(reader, None))) is not None:
            yield batch


def _read(cursor: duckdb.DuckDBPyConnection, sql: str, what: str, condition: str | None) -> pa.RecordBatchReader:
    """Begin to read the answer to one SELECT, as `run_select` has it."""
    statements = duckdb.extract_statements(sql)
    if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
        one = "SELECT" if condition is None else "condition"
        raise UsageError(
            f"{what} must be one {one}; found {_short(condition or sql)}. Tables are only read, never changed."
        )
    # A SELECT may begin with an INSERT, as one of its common table expressions.
    cursor.execute("begin transaction read only")
    return cursor.sql(sql).to_arrow_reader(_BATCH)


def suggested_column(name: str, columns: Collection[str]) -> str | None:
    """The column that an unknown name may mean; a hyperparameter may be named without its prefix."""
    names = {column.removeprefix(_PARAMETER): column for column in columns} | {column: column for column in columns}
    near = closest(name, names)
    return None if near is None else names[near]


def _unanswered(error: duckdb.Error, what: str, columns: Collection[str], *, all_tables: bool) -> str:
    first, _, rest = str(error).partition("\n")
    unknown = _UNKNOWN_COLUMN.search(first)
    if unknown is not None and (meant := suggested_column(unknown[1], columns)) is not None:
        near = [f"Did you mean {meant}?"]
    else:
        near = [line for line in rest.splitlines() if line.startswith(("Did you mean", "Candidate"))]
    message = " ".join([f"{first.rstrip('.!')}.", *near])
    message = message if message.endswith("?") else f"{message.rstrip('.!')}."
    available = "tables trials, epochs and decisions" if all_tables else f"columns {', '.join(columns)}"
    more = "; docs/tables.md describes them" if all_tables else ""
    return f"{what} cannot be answered: {message} Available: {available}{more}."


def _short(sql: str) -> str:
    text = " ".join(sql.split())
    return repr(text if len(text) <= 80 else text[:79] + "…")
