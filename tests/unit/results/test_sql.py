"""SQL over studies' tables: answered from the tables, and closed to everything else."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import UsageError
from pipeline.results import Results, load_results
from pipeline.results.tables.sql import Answer, TrialsDatabase, by_objective, query, stream_answer
from pipeline.results.tables.trials import objective_columns, ranked
from pipeline.study import Objective
from tests.unit.results.front_studies import recorded
from tests.unit.results.small_studies import one_epoch_study
from tests.unit.results.studies import Recording, tune_job

ENDLESS = "select count(*) from range(100000000000) where hash(range) % 7 = 1"


@pytest.fixture(scope="module")
def trials(asha_results: Results) -> TrialsDatabase:
    return TrialsDatabase({"a": asha_results})


@pytest.mark.parametrize(
    "sql",
    [
        "select * from '{0}'", "select * from read_csv('{0}')", "select * from read_text('{0}')",
        "select * from glob('{0}')", "select * from 'https://example.org/a.csv'", "copy trials to '{0}'",
        "attach '{0}.db'", "install httpfs", "load httpfs", "set enable_external_access = true",
        "set memory_limit = '1TB'", "select 1; select 2", "drop table trials", "delete from trials",
        "select * from results", "export database '{0}'", "", "selec 1", "select '\ud800'",
        "select * from enable_logging()",
        "with added as (insert into trials by name select 'x' as trial_id returning 1) select * from added",
    ],
)  # fmt: skip
def test_nothing_but_the_tables_can_be_reached(pbt_results: Results, tmp_path: Path, sql: str) -> None:
    """SQL that uses files, the network, extensions, settings or the program's variables is refused."""
    file = tmp_path / "file.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError):
        query({"a": pbt_results}, sql.format(file))
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_text() == "a,b\n1,2\n"


def test_only_as_many_rows_as_wanted_are_found(pbt_results: Results) -> None:
    with stream_answer({"a": pbt_results}, "select range as n from range(100000)") as answer:
        assert answer.head(3)["n"].to_pylist() == [0, 1, 2]
        assert sum(batch.num_rows for batch in answer.batches) >= 80_000
    assert Answer.of(pbt_results.table("trials")).head(0).num_rows == 0


def test_an_error_while_rows_are_read_is_the_users_too(pbt_results: Results) -> None:
    sql = "select cast(case when range < 50000 then '1' else 'x' end as integer) from range(100000)"
    with pytest.raises(UsageError, match="Conversion Error"):
        query({"a": pbt_results}, sql)


def test_a_query_that_takes_too_long_ends_and_the_next_is_answered(
    trials: TrialsDatabase, asha_results: Results
) -> None:
    with (
        pytest.raises(UsageError, match="took longer than"),
        stream_answer({"a": asha_results}, ENDLESS, seconds=0.1),
    ):
        pass
    with pytest.raises(UsageError, match="took longer than"):
        trials.select(where=f"0 < ({ENDLESS})", seconds=0.1)
    assert trials.select(where="epochs = 9").num_rows > 0


def test_threads_query_in_parallel(trials: TrialsDatabase, asha_results: Results) -> None:
    lengths = [1, 3, 9] * 8
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda length: trials.select(where=f"epochs = {length}"), lengths))
    counts = asha_results.trials["epochs"].value_counts()
    assert [answer.num_rows for answer in answers] == [counts.get(length, 0) for length in lengths]


def test_a_condition_changes_nothing(trials: TrialsDatabase) -> None:
    added = "with added as (insert into trials by name select 'x' as trial_id returning 1) select count(*) from added"
    before = trials.select().num_rows
    with pytest.raises(UsageError):
        trials.select(where=f"0 < ({added})")
    assert trials.select().num_rows == before


def test_a_condition_keeps_the_trials_for_which_it_holds(trials: TrialsDatabase, asha_results: Results) -> None:
    found = trials.select(where="config_lr > 0.01 and state = 'completed'")["trial_id"].to_pylist()
    frame = asha_results.trials
    assert found == frame[(frame["config_lr"] > 0.01) & (frame["state"] == "completed")]["trial_id"].to_list() != []
    assert trials.select(where="state = 'failed' -- both of them").num_rows == 2


def test_rows_and_columns_are_in_the_requested_order(trials: TrialsDatabase, asha_results: Results) -> None:
    down = trials.select(sort=["-objective"], columns=["objective", "trial_id"])
    known = [value for value in down["objective"].to_pylist() if value is not None]
    assert down.column_names == ["objective", "trial_id"]
    assert known == sorted(known, reverse=True)
    # Missing ones are last in either direction.
    assert len(known) < down.num_rows
    assert trials.select(sort=["objective"])["objective"].to_pylist()[: len(known)] == sorted(known)
    assert trials.select()["trial_id"].to_pylist() == asha_results.trials["trial_id"].tolist()
    assert trials.select(best_first=True)["trial_id"].to_pylist() == ranked(asha_results)
    assert set(trials.select().column_names) == set(asha_results.trials.columns)


@pytest.mark.parametrize(
    ("asked", "reported"),
    [
        ({"where": "lr > 1"}, r"Did you mean config_lr\?.*Available: study, trial_id"),
        ({"where": "trials.lr > 1"}, r"Did you mean config_lr\?"),
        ({"where": "qqq > 1"}, "Available: "),
        ({"where": "1); drop table trials; select (1"}, "must be one condition; found '1"),
        ({"where": "state ="}, "syntax error"),
        ({"where": " "}, "must be a condition"),
        ({"sort": ["-lr"]}, r"Did you mean config_lr\?"),
        ({"columns": ["objektive"]}, r"Did you mean objective\?"),
    ],
)
def test_an_invalid_selection_is_refused(trials: TrialsDatabase, asked: dict[str, Any], reported: str) -> None:
    with pytest.raises(UsageError, match=reported):
        trials.select(**asked)


def test_tables_of_several_studies_are_one(asha_results: Results, pbt_results: Results) -> None:
    both = {"it's a": asha_results, "b": pbt_results}
    counts = query(both, "select study, count(*) as n, count(config_units) as units from trials group by 1 order by 1")
    assert counts.to_pylist() == [
        {"study": "b", "n": len(pbt_results.trials), "units": 0},
        {"study": "it's a", "n": len(asha_results.trials), "units": len(asha_results.trials)},
    ]
    for table in ("epochs", "decisions"):
        found = query(both, f"select study, count(*) as n from {table} group by 1 order by 1")["n"].to_pylist()
        assert found == [len(getattr(pbt_results, table)), len(getattr(asha_results, table))]
    with TrialsDatabase(both, only={"it's a": ["0001"], "b": ["0000", "0002"]}) as chosen:
        rows = chosen.select(columns=["study", "trial_id"]).to_pylist()
    assert [(row["study"], row["trial_id"]) for row in rows] == [("it's a", "0001"), ("b", "0000"), ("b", "0002")]


def test_several_objectives_can_be_selected(tmp_path: Path) -> None:
    with TrialsDatabase({"a": load_results(recorded(tmp_path).store.uri)}) as trials:
        found = trials.select(where="front and parameters < 5000", sort=["-parameters"]).to_pylist()
    assert [(row["trial_id"], row["parameters"]) for row in found] == [("0000", 1000.0), ("0001", 50.0), ("0004", 10.0)]


@pytest.mark.parametrize("metric", ["seconds", "error", "front", "objective", "violation"])
def test_an_objective_may_be_called_as_a_column_of_trials(tmp_path: Path, metric: str) -> None:
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
    given = {"a": ("accuracy", [0.2, 0.6]), "b": ("loss", [0.1, 0.9]), "c": ("accuracy", [0.4])}
    studies = {name: one_epoch_study(tmp_path, name, values, metric=metric) for name, (metric, values) in given.items()}
    assert by_objective(studies) == [["a", "c"], ["b"]]
    with TrialsDatabase(studies) as trials:
        found = trials.select(sort=["-objective"], columns=["study", "objective"])
    assert found["study"].to_pylist() == ["a", "c", "a", "b", "b"]
    assert found["objective"].to_pylist() == [0.6, 0.4, 0.2, 0.9, 0.1]
