"""DuckDB in memory, closed to everything but its tables."""

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import UsageError
from pipeline.results import Results
from pipeline.results.tables.database import Answer, TimeLimit, fill_table, locked, open_database, run_select
from pipeline.results.tables.query import query


@pytest.mark.parametrize(
    "sql",
    [
        "select * from '{0}'", "select * from read_csv('{0}')", "select * from read_text('{0}')",
        "select * from glob('{0}')", "copy trials to '{0}'", "attach '{0}.db'", "install httpfs", "load httpfs",
        "set enable_external_access = true", "select 1; select 2", "drop table trials", "select * from results",
        "export database '{0}'", "", "selec 1", "select '\ud800'", "select * from enable_logging()",
        "with added as (insert into trials by name select 'x' as trial_id returning 1) select * from added",
    ],
)  # fmt: skip
def test_nothing_but_the_tables_can_be_reached(pbt_results: Results, tmp_path: Path, sql: str) -> None:
    """SQL that uses files, extensions, settings or the program's variables is refused, and writes nothing."""
    file = tmp_path / "file.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError):
        query({"a": pbt_results}, sql.format(file))
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_text() == "a,b\n1,2\n"


def _answered(sql: str, **tables: list[pa.Table]) -> pa.Table:
    with open_database() as database:
        for name, parts in tables.items():
            fill_table(database, name, parts)
        with run_select(locked(database), sql, "The SQL") as answer:
            return pa.Table.from_batches(answer.batches, answer.schema)


def test_parts_are_united_by_the_names_of_their_columns() -> None:
    """Parts are united by the names of their columns, with null where a part lacks a column."""
    parts = [pa.table({"a": [1], "b": ["x"]}), pa.table({"b": ["y"], "c": [0.5]})]
    found = _answered("select * from t order by b", t=parts).to_pylist()
    assert found == [{"a": 1, "b": "x", "c": None}, {"a": None, "b": "y", "c": 0.5}]


def test_every_query_has_the_safe_settings() -> None:
    """Every query of a database, not only the first, has the safe settings and sees the same tables."""
    safe = ["enable_external_access", "python_enable_replacements", "autoload_known_extensions"]
    settings = ", ".join(f"current_setting('{name}') as {name}" for name in safe)
    sql = f"select count(*) as rows, {settings} from t"
    with open_database() as database:
        fill_table(database, "t", [pa.table({"a": [1, 2]})])
        locked(database)
        for _ in range(2):
            with run_select(database, sql, "The SQL") as answer:
                assert answer.head(1).to_pylist() == [{"rows": 2, **dict.fromkeys(safe, False)}]


def test_only_as_many_rows_as_wanted_are_found() -> None:
    """The first rows of a long answer can be read without computing most of the other rows."""
    with (
        open_database() as database,
        run_select(locked(database), "select range as n from range(100000)", "it") as answer,
    ):
        assert answer.head(3)["n"].to_pylist() == [0, 1, 2]
        rest = sum(batch.num_rows for batch in answer.batches)
        assert rest >= 80_000
    assert Answer.of(pa.table({"n": [1, 2]})).head(5)["n"].to_pylist() == [1, 2]
    assert Answer.of(pa.table({"n": [1, 2]})).head(0).num_rows == 0


@pytest.mark.parametrize(
    ("sql", "reported"),
    [
        ("select nothing from t", r'cannot be answered: Binder Error: .*"nothing" not found.*Available: tables'),
        ("select 1; select 2", r"The SQL must be one SELECT; found 'select 1; select 2'\. Tables are only read"),
        ("delete from t", r"must be one SELECT; found 'delete from t'"),
        ("set memory_limit = '1TB'", r"must be one SELECT"),
        (f"select {'1 + ' * 50}'\ud800'", r"must be text; found bytes that are not valid UTF-8 in 'select .*…'"),
    ],
)
def test_statements_other_than_select_are_refused(sql: str, reported: str) -> None:
    """A statement that is not one valid SELECT is refused with the reason and the shortened statement."""
    with pytest.raises(UsageError, match=reported):
        _answered(sql, t=[pa.table({"a": [1]})])


def test_an_error_while_rows_are_read_is_the_users_too() -> None:
    """A cast that fails while rows are read is reported as an error of the user's SQL."""
    with pytest.raises(UsageError, match="cannot be answered: Conversion Error"):
        _answered("select cast(a as integer) from t", t=[pa.table({"a": ["1", "x"]})])


def test_a_query_is_reported_as_slow_once_and_ended_when_its_time_is_up() -> None:
    """A query that takes too long is interrupted with a message, and before that it is reported once as slow."""
    reported: list[float] = []
    limit = TimeLimit(0.2, reported.append, slow_seconds=0.0)
    sql = "select count(*) from range(100000000000) where hash(range) % 7 = 1"
    with (
        open_database() as database,
        pytest.raises(UsageError, match=r"took longer than 0\.2 s and was cancelled"),
        run_select(locked(database), sql, "The SQL", limit=limit),
    ):
        pass
    assert len(reported) == 1
