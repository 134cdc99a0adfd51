"""SQL over studies' tables, by DuckDB in memory: no file, no extension and no network can be reached from it."""

import difflib
import re
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import UsageError
from pipeline.results.front import objective_column, objective_values, pareto_front
from pipeline.results.load import Results
from pipeline.storage.schema import TABLES, arrow_schema

__all__ = ["labels", "query", "select_trials"]

# What is asked may come from anywhere, and so may the tables: nothing but the tables is there to be read.
_CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "temp_directory": "",
}


def query(studies: Mapping[str, Results], sql: str) -> pa.Table:
    """Ask something of the tables `trials`, `epochs` and `decisions`.

    Args:
        studies: Results by what the column `study` is to say; the tables hold the rows of all of them, columns that
            only some have are null elsewhere.
        sql: One SELECT, as DuckDB reads it.

    Raises:
        UsageError: It is no SELECT, or names what is not there.
    """
    with _database() as database:
        for name in TABLES:
            parts = [_arrow(results, name, label) for label, results in studies.items()]
            for place, part in enumerate(parts):
                database.register(f"part_{place}", part)
            union = " union all by name ".join(f"select * from part_{place}" for place in range(len(parts)))
            database.execute(f"create table {name} as {union}")
            for place in range(len(parts)):
                database.unregister(f"part_{place}")
        return _asked(_locked(database), sql, "The SQL")


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
    table = _with_objectives(results, _arrow(results, "trials", results.name))
    if only is not None:
        table = table.filter(pc.is_in(table["trial_id"], value_set=pa.array(list(only), pa.string())))
    known = table.column_names
    for name in [name.removeprefix("-") for name in sort]:
        _there(name, known, "--sort")
    for name in columns or ():
        _there(name, known, "--columns")
    order = [f'"{name.removeprefix("-")}" {"desc" if name.startswith("-") else "asc"} nulls last' for name in sort]
    chosen = ", ".join(f'"{name}"' for name in columns) if columns else "*"
    # On a line of its own, a comment in the condition ends before the bracket does.
    condition = f"where (\n{where}\n)" if where is not None else ""
    with _database() as database:
        database.register("arrow", table)
        # The order of the rows is part of the table: trials come by id.
        database.execute("create table trials as select * from arrow")
        database.unregister("arrow")
        ordered = ", ".join([*order, "length(trial_id)", "trial_id"])
        sql = f"select {chosen} from trials {condition} order by {ordered}"
        return _asked(_locked(database), sql, "--where", condition=where, columns=known)


def labels(named: Sequence[tuple[str, Results]]) -> dict[str, Results]:
    """Studies by what tells them apart: their names, or, where two are called alike, how the caller names them.

    Args:
        named: How the caller names each study, and its results.
    """
    apart = dict(named)
    names = [results.name for results in apart.values()]
    return {
        results.name if names.count(results.name) == 1 else given.rstrip("/"): results
        for given, results in apart.items()
    }


@contextmanager
def _database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:", config=_CLOSED) as database:
        # Else a word that is no table is looked for among the variables of this program.
        database.execute("set python_enable_replacements = false")
        yield database


def _locked(database: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """The database, once its tables are there: what is asked cannot open it again."""
    database.execute("set lock_configuration = true")
    return database


def _asked(
    database: duckdb.DuckDBPyConnection,
    sql: str,
    what: str,
    *,
    condition: str | None = None,
    columns: Collection[str] | None = None,
) -> pa.Table:
    """The answer to one SELECT."""
    if any(0xD800 <= ord(character) < 0xE000 for character in sql):
        raise UsageError(f"{what} must be text; found bytes that are no UTF-8 in {_short(condition or sql)}.")
    try:
        statements = duckdb.extract_statements(sql)
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            one = "SELECT" if condition is None else "condition"
            raise UsageError(
                f"{what} must be one {one}; found {_short(condition or sql)}. Tables are only read, never changed."
            )
        with warnings.catch_warnings():
            # It is read once, as it should be.
            warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")
            answer: pa.Table = database.sql(sql).to_arrow_table()
        return answer
    except duckdb.Error as error:
        raise UsageError(_told(error, what, columns)) from None


def _told(error: duckdb.Error, what: str, columns: Collection[str] | None) -> str:
    first, _, rest = str(error).partition("\n")
    near = [line for line in rest.splitlines() if line.startswith(("Did you mean", "Candidate"))]
    told = " ".join([f"{first.rstrip('.!')}.", *near]).rstrip(".?!")
    there = "the tables trials, epochs and decisions" if columns is None else f"the columns {', '.join(columns)}"
    more = "; docs/tables.md says what is in them" if columns is None else ""
    return f"{what} cannot be answered: {told}. There are {there}{more}."


def _short(sql: str) -> str:
    text = " ".join(sql.split())
    return repr(text if len(text) <= 80 else text[:79] + "…")


def _there(name: str, known: Sequence[str], option: str) -> None:
    if name in known:
        return
    near = difflib.get_close_matches(name, [*known, *(c.removeprefix("config_") for c in known)], n=1)
    meant = near and (near[0] if near[0] in known else f"config_{near[0]}")
    hint = f" Did you mean {meant}?" if meant else ""
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
        if (name := objective_column(metric, results.epochs.columns)) not in trials.column_names:
            trials = trials.append_column(name, pa.array(values[metric], pa.float64(), from_pandas=True))
    front = {point.trial_id for point in pareto_front(results)}
    return trials.append_column("front", pa.array([trial in front for trial in values.index], pa.bool_()))


def _fixed(column: str) -> bool:
    return bool(re.match("config_", column)) or column in {known.name for known in TABLES["epochs"]}
