"""DuckDB in memory, for one SELECT: no file, no extension and no network can be reached from it."""

import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.errors import UsageError
from pipeline.text import closest

# Queries and tables may be of unknown origin: a query can read the tables and nothing else.
_CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "temp_directory": "",
    "memory_limit": "2GB",
    # Otherwise DuckDB looks for an unknown table among the variables of this program.
    "python_enable_replacements": "false",
}


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


def open_database() -> duckdb.DuckDBPyConnection:
    """A database in memory without access to anything outside; also a context that closes it."""
    return duckdb.connect(":memory:", config=_CLOSED)


def fill_table(database: duckdb.DuckDBPyConnection, name: str, parts: Sequence[pa.Table]) -> None:
    """Make a table of the rows of all parts; a column that only some have is null elsewhere."""
    for place, part in enumerate(parts):
        database.register(f"part_{place}", part)
    union = " union all by name ".join(f"select * from part_{place}" for place in range(len(parts)))
    database.execute(f"create table {name} as {union}")
    for place in range(len(parts)):
        database.unregister(f"part_{place}")


def locked(database: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The database with its tables, locked: a query cannot unlock it."""
    database.execute("set lock_configuration = true")
    return database


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
