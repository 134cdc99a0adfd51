"""SQL over studies' tables: closed to everything else, and the rows of the table of trials."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import UsageError
from pipeline.results import Results, load_results
from pipeline.results.tables.sql import Answer, TimeLimit, TrialsDatabase, by_objective, query, run_select
from pipeline.results.tables.trials import objective_columns, ranked
from pipeline.storage.tables import open_database
from pipeline.study import Objective
from tests.unit.results.small_studies import one_epoch_study
from tests.unit.results.studies import Recording, tune_job


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


@contextmanager
def answering(sql: str, table: pa.Table | None = None, limit: TimeLimit | None = None) -> Iterator[Answer]:
    with open_database() as database:
        if table is not None:
            database.register("given", table)
            database.execute("create table t as from given")
        with run_select(database, sql, "The SQL", limit=limit) as answer:
            yield answer


def test_only_as_many_rows_as_wanted_are_found() -> None:
    """The first rows of a long answer can be read without computing most of the other rows."""
    with answering("select range as n from range(100000)") as answer:
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
    with pytest.raises(UsageError, match=reported), answering(sql, pa.table({"a": [1]})):
        pass


def test_an_error_while_rows_are_read_is_the_users_too() -> None:
    """A cast that fails while rows are read is reported as an error of the user's SQL."""
    wrong = pa.table({"a": ["1", "x"]})
    with (
        pytest.raises(UsageError, match="Conversion Error"),
        answering("select cast(a as integer) from t", wrong) as answer,
    ):
        list(answer.batches)


def test_a_query_is_reported_as_slow_once_and_ended_when_its_time_is_up() -> None:
    """A query that takes too long is interrupted with a message, and before that it is reported once as slow."""
    reported: list[float] = []
    limit = TimeLimit(1.0, reported.append, slow_seconds=0.0)
    sql = "select count(*) from range(100000000000) where hash(range) % 7 = 1"
    with pytest.raises(UsageError, match=r"1 s"), answering(sql, limit=limit):
        pass
    assert len(reported) == 1


def test_threads_query_in_parallel(asha_results: Results) -> None:
    """Each of several threads that query a database in parallel gets the answer to its own query."""
    lengths = [1, 3, 9] * 8
    with TrialsDatabase({"a": asha_results}) as trials, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda length: trials.select(where=f"epochs = {length}"), lengths))
    counts = asha_results.trials["epochs"].value_counts()
    assert [answer.num_rows for answer in answers] == [counts.get(length, 0) for length in lengths]


def test_an_order_may_put_the_best_first(asha_results: Results) -> None:
    """Trials are sorted by the given columns, and without any by id or with the best first."""
    with TrialsDatabase({"a": asha_results}) as trials:
        by_id = trials.select(columns=["trial_id"])["trial_id"].to_pylist()
        best_first = trials.select(columns=["trial_id"], best_first=True)["trial_id"].to_pylist()
        sorted_ids = trials.select(sort=["-trial_id"], columns=["trial_id"], best_first=True)["trial_id"].to_pylist()
    assert by_id == asha_results.trials["trial_id"].tolist()
    assert best_first == ranked(asha_results)
    assert sorted_ids == sorted(by_id, reverse=True)


def test_a_condition_changes_nothing(asha_results: Results) -> None:
    """A condition that contains an INSERT is refused, and the table stays unchanged."""
    added = "with added as (insert into trials by name select 'x' as trial_id returning 1) select count(*) from added"
    with TrialsDatabase({"a": asha_results}) as trials:
        before = trials.select().num_rows
        with pytest.raises(UsageError, match="cannot be answered"):
            trials.select(where=f"0 < ({added})")
        assert trials.select().num_rows == before


def test_a_slow_condition_is_given_up_and_the_next_one_answered(asha_results: Results) -> None:
    """A condition is interrupted when its time is up, and the database answers the next one."""
    slow = "0 < (select count(*) from range(100000000000) where hash(range) % 7 = 1)"
    with TrialsDatabase({"a": asha_results}) as trials:
        with pytest.raises(UsageError, match="took longer than"):
            trials.select(where=slow, limit=TimeLimit(0.1))
        assert trials.select(where="epochs = 9").num_rows > 0


def test_only_the_trials_that_are_meant_are_there(asha_results: Results, pbt_results: Results) -> None:
    """If ids are given for a study, the database has only these trials of it."""
    studies, only = {"a": asha_results, "p": pbt_results}, {"a": ["0001"], "p": ["0000", "0002"]}
    with TrialsDatabase(studies, only=only) as trials:
        found = trials.select(columns=["study", "trial_id"]).to_pylist()
    assert [(row["study"], row["trial_id"]) for row in found] == [("a", "0001"), ("p", "0000"), ("p", "0002")]


def test_studies_of_one_objective_are_together(asha_results: Results, domains_results: Results) -> None:
    """Studies are grouped by objective, and groups are in the order of their first studies."""
    studies = {"a": asha_results, "d": domains_results, "b": asha_results}
    assert by_objective(studies) == [["a", "b"], ["d"]]


@pytest.mark.parametrize("metric", ["seconds", "error", "front", "objective", "violation"])
def test_an_objective_may_be_called_as_a_column_of_trials(tmp_path: Path, metric: str) -> None:
    """An objective after the first has a column of its own, even if its metric is called as another column."""
    objectives = [Objective("val_accuracy", "max"), Objective(metric, "min"), Objective("val_loss", "min")]
    study = Recording(tmp_path, tune_job("named", objectives=objectives), metrics=("val_accuracy", "val_loss", metric))
    study.train("0000", 1, {"lr": 0.1}, 0.5, 1.0, **{metric: 42.0, "val_loss": 7.0})
    study.end(2.0)
    results = load_results(study.store.uri)
    names = objective_columns(results)
    assert names == {"val_accuracy": "objective", metric: f"metric_{metric}", "val_loss": "val_loss"}
    with TrialsDatabase({"a": results}) as trials:
        (row,) = trials.select().to_pylist()
    assert [row[name] for name in names.values()] == [0.5, 42.0, 7.0]
    assert (row["seconds"], row["error"], row["front"]) == (pytest.approx(0.94), None, True)


def test_values_of_different_objectives_are_sorted_apart(tmp_path: Path) -> None:
    """Where studies differ in their objective, its values are sorted within the studies of each."""
    given = {"a": ("accuracy", [0.2, 0.6]), "b": ("loss", [0.1, 0.9]), "c": ("accuracy", [0.4])}
    studies = {name: one_epoch_study(tmp_path, name, values, metric=metric) for name, (metric, values) in given.items()}
    with TrialsDatabase(studies) as trials:
        found = trials.select(sort=["-objective"], columns=["study", "objective"])
    assert found["study"].to_pylist() == ["a", "c", "a", "b", "b"]
    assert found["objective"].to_pylist() == [0.6, 0.4, 0.2, 0.9, 0.1]
