"""SQL of users over studies' tables: a query can read the tables, and nothing else."""

import multiprocessing
import re
import resource
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from multiprocessing.connection import Connection
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.errors import UsageError
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import board, quoted
from pipeline.storage.schema import TABLES
from pipeline.storage.tables import open_database
from pipeline.text import closest, did_you_mean, size

_UNKNOWN_COLUMN = re.compile(r'(?:Referenced column|does not have a column named) "([^"]+)"')
"""DuckDB's messages about a column that does not exist."""

_MAX_BYTES = 2_000_000_000
"""The maximum size of an answer, which is in memory as a whole."""

_MAX_MEMORY = 2_000_000_000
"""The memory of a process that answers a condition of others."""

_BATCH_ROWS = 100_000

_INTERRUPT_SECONDS = 0.05
"""How often a query that must end is interrupted: an interrupt that comes before it has begun is lost."""


def query(studies: Mapping[str, Results], sql: str, *, limit: int | None = None) -> pa.Table:
    """The answer to a SELECT over the tables `trials`, `epochs` and `decisions` of studies by their labels, at most its
    first `limit` rows.
    """
    with open_database() as database:
        columns: dict[str, None] = {}
        for name in TABLES:
            tables = {label: results.table(name) for label, results in studies.items()}
            columns |= dict.fromkeys(column for table in tables.values() for column in table.column_names)
            _make_view(database, name, tables)
        known = "tables trials, epochs and decisions; docs/tables.md describes them"
        return _select(database, sql, f"The SQL {_shortened(sql)}", columns, known, limit)


def select_trials(
    results: Results, where: str | None = None, sort: str = "", seconds: float | None = None
) -> list[str]:
    """The trials that match a condition over the columns of `board`, by their ids, the best first; or sorted by a
    column, `-` before its name means descending. A hyperparameter's own name will do where no column has it. With
    `seconds`, a process with limits answers a condition: DuckDB does not look at the clock within a function.
    """
    if where is not None and not where.strip():
        raise UsageError("--where must be a condition, as in \"state = 'completed'\"; found nothing.")
    trials = board(results)
    known, order, taken = ", ".join(trials.column_names), "place", {name.lower() for name in trials.column_names}
    for column in trials.column_names:
        if (name := column.removeprefix("config_")).lower() not in taken:
            trials = trials.append_column(name, trials[column])
            taken.add(name.lower())
    if sort:
        if (by := sort.removeprefix("-")).lower() not in taken:
            hint = did_you_mean(by, trials.column_names)
            raise UsageError(
                f"Trials cannot be sorted by {_shortened(by)}, which is no column.{hint} Available: {known}."
            )
        order = f"{quoted(by)} {'desc' if sort.startswith('-') else 'asc'} nulls last, place"
    # On a separate line, a comment in the condition cannot swallow the bracket.
    condition = "" if where is None else f"where (\n{where}\n)"
    sql = f"select trial_id from trials {condition} order by {order}"
    asked = {results.name: trials}, sql, f"--where {_shortened(where or '')}", trials.column_names, known
    found = _answer(*asked) if seconds is None or where is None else _limited(seconds, *asked)
    ids: list[str] = found["trial_id"].to_pylist()
    return ids


def _answer(studies: Mapping[str, pa.Table], sql: str, what: str, columns: Collection[str], known: str) -> pa.Table:
    with open_database() as database:
        database.execute("set enable_progress_bar = false")  # a process without a main module looks interactive
        _make_view(database, "trials", studies)
        return _select(database, sql, what, columns, known, None)


def _limited(seconds: float, *asked: Any) -> pa.Table:
    """What `_answer` says in a process that ends after so many seconds."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    receiver, sender = processes.Pipe(duplex=False)
    process = processes.Process(target=_answer_into, args=(sender, *asked), daemon=True)
    process.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            raise UsageError(f"The condition took longer than {seconds:g} s and was cancelled. Simplify it.")
        answer = receiver.recv()
    except EOFError:
        raise UsageError(f"The condition needs more memory than {size(_MAX_MEMORY)}. Simplify it.") from None
    finally:
        process.kill()
        process.join()
    if isinstance(answer, UsageError):
        raise answer
    return answer


def _answer_into(sender: Connection, *asked: Any) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (_MAX_MEMORY, _MAX_MEMORY))
    try:
        sender.send(_answer(*asked))
    except UsageError as error:
        sender.send(error)


def _make_view(database: duckdb.DuckDBPyConnection, name: str, tables: Mapping[str, pa.Table]) -> None:
    """Make a view of the rows of all studies with their labels; a column that only some have is null elsewhere.

    NaN is missing, as pandas shows it.
    """
    selects = []
    for place, (label, table) in enumerate(tables.items()):
        database.register(f"_{name}_{place}", table.replace_schema_metadata())
        replaced = [f"'{label.replace(chr(39), chr(39) * 2)}' as study"]
        replaced += [
            f"nullif({quoted(field.name)}, 'nan'::double) as {quoted(field.name)}"
            for field in table.schema
            if pa.types.is_floating(field.type)
        ]
        selects.append(f"select * replace ({', '.join(replaced)}) from _{name}_{place}")
    database.execute(f"create temp view {name} as {' union all by name '.join(selects)}")


def _select(
    database: duckdb.DuckDBPyConnection,
    sql: str,
    what: str,
    columns: Collection[str],
    known: str,
    limit: int | None,
) -> pa.Table:
    """The answer to one SELECT."""

    def answer() -> pa.Table:
        sql.encode()  # what is not UTF-8 is an error of the user
        if [statement.type for statement in duckdb.extract_statements(sql)] != [duckdb.StatementType.SELECT]:
            raise UsageError(f"{what} must be one SELECT, or one condition. Tables are only read, never changed.")
        relation = database.sql(sql) if limit is None else database.sql(sql).limit(limit)
        reader, batches, held = relation.to_arrow_reader(_BATCH_ROWS), list[pa.RecordBatch](), 0
        for batch in reader:
            batches.append(batch)
            held += batch.nbytes
            if held > _MAX_BYTES:
                raise UsageError(f"The answer is larger than {size(_MAX_BYTES)}: select less, for example with limit.")
        table = pa.Table.from_batches(batches, reader.schema)
        names = list[str]()
        for place, name in enumerate(table.column_names):
            # A join of a table with itself has each of its names twice.
            while name in names:
                name += f"_{place}"
            names.append(name)
        return table.rename_columns(names)

    with ThreadPoolExecutor(1) as pool:
        # In the main thread DuckDB notices Ctrl-C late, and in some plans never.
        future = pool.submit(answer)
        try:
            return future.result()
        except (duckdb.Error, UnicodeError, OSError) as error:  # Arrow's reader raises the last
            first = str(error).partition("\n")[0].rstrip(".!")
            unknown = _UNKNOWN_COLUMN.search(first)
            hint = _hint(unknown[1], columns) if unknown else ""
            raise UsageError(f"{what} cannot be answered: {first}.{hint} Available: {known}.") from None
        finally:
            while not future.done():
                database.interrupt()
                wait([future], timeout=_INTERRUPT_SECONDS)


def _shortened(text: str) -> str:
    given = repr(" ".join(text.split()))
    return given if len(given) <= 80 else f"{given[:80]}…"


def _hint(name: str, columns: Collection[str]) -> str:
    """The column that an unknown name may mean; a hyperparameter may be named without its prefix."""
    names = {column.removeprefix("config_"): column for column in columns} | {column: column for column in columns}
    near = closest(name, names)
    return f" Text is in single quotes, as '{name}'." if near is None else f" Did you mean {names[near]}?"
