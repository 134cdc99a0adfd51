"""The table of trials in a database that answers many questions."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.results import Results, load_results
from pipeline.results.tables.database import TimeLimit
from pipeline.results.tables.trials import ranked
from pipeline.results.tables.trials_database import TrialsDatabase, arrow_table, by_objective, objective_columns
from pipeline.study import Objective
from tests.unit.results.small_studies import one_epoch_study
from tests.unit.results.studies import Recording, tune_job


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


def test_a_table_is_that_of_the_study_under_its_label(pbt_results: Results) -> None:
    """A study's table has the rows of its frame, and the study's label in the column `study`."""
    table = arrow_table(pbt_results, "decisions", "p")
    assert table["reason"].to_pylist() == pbt_results.decisions["reason"].tolist()
    assert set(table["study"].to_pylist()) == {"p"}


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
