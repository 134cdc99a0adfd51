"""SQL of users: what it sees, what it may not do, and how long it may take."""

from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.results import Results, load_results
from pipeline.results.tables.sql import query, select_trials
from pipeline.results.tables.trials import board, objective_columns
from pipeline.study import Objective
from tests.front_studies import recorded
from tests.recorded_studies import Recording, tune_job


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


def test_a_value_that_is_not_a_number_is_missing(asha_results: Results) -> None:
    (row,) = query({"a": asha_results}, "select count(*) - count(val_accuracy) as n from epochs").to_pylist()
    assert row["n"] == asha_results.epochs["val_accuracy"].isna().sum() == 1


def test_only_as_many_rows_as_wanted_are_found_and_each_column_has_its_name(
    pbt_results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = "select * from trials a join trials b using (study), range(100000)"
    found = query({"a": pbt_results}, sql, limit=3)
    assert found.num_rows == 3
    assert len(set(found.column_names)) == found.num_columns
    monkeypatch.setattr("pipeline.results.tables.sql._MAX_BYTES", 10_000_000)
    with pytest.raises(UsageError, match="larger than 10 MB"):
        query({"a": pbt_results}, "select repeat('x', 1000) from range(100000000000)")


@pytest.mark.parametrize(
    "sql",
    [
        "", "select", "select nothing from trials", "select 1; select 2", "drop view trials", "set threads = 1",
        "select * from '{}'", "select * from read_csv('{}')", "copy trials to '{}'", "attach '{}' as x",
        "install httpfs", "select * from 'https://example.com/x.parquet'", "select * from pbt_results",
        "select cast(case when range < 50000 then '1' else 'x' end as integer) from range(100000)", "select '\udcff'",
    ],
)  # fmt: skip
def test_what_is_not_a_select_over_the_tables_is_refused(pbt_results: Results, tmp_path: Path, sql: str) -> None:
    file = tmp_path / "file.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError):
        query({"a": pbt_results}, sql.format(file))
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_text() == "a,b\n1,2\n"


def test_a_condition_of_others_has_a_limit_of_time_and_of_memory(asha_results: Results) -> None:
    assert select_trials(asha_results, "lr > 0.01", "-lr", 20) == select_trials(asha_results, "lr > 0.01", "-lr")
    with pytest.raises(UsageError, match="took longer than"):
        select_trials(asha_results, "length(repeat('a', 200000000)) < 5", seconds=0.1)
    with pytest.raises(UsageError, match=r"[Mm]emory"):
        select_trials(asha_results, "length(repeat('a', 1500000000)) < 5", seconds=20)


def test_a_condition_keeps_the_trials_for_which_it_holds(asha_results: Results) -> None:
    frame = asha_results.trials
    expected = frame[(frame["config_lr"] > 0.01) & (frame["state"] == "completed")]["trial_id"].to_list()
    assert sorted(select_trials(asha_results, "config_lr > 0.01 and state = 'completed'")) == expected != []
    assert sorted(select_trials(asha_results, "lr > 0.01 and state = 'completed'")) == expected
    assert len(select_trials(asha_results, "state = 'failed' -- both of them")) == 2
    assert select_trials(asha_results) == board(asha_results)["trial_id"].to_pylist()


def test_missing_values_are_last_in_either_order(asha_results: Results) -> None:
    values = dict(zip(asha_results.trials["trial_id"], asha_results.trials["objective"], strict=True))
    for sort, reverse in (("-objective", True), ("objective", False)):
        found = [values[trial] for trial in select_trials(asha_results, sort=sort)]
        known = [value for value in found if value == value]
        assert known == sorted(known, reverse=reverse)
        assert found[len(known) :] != []


@pytest.mark.parametrize(("where", "sort", "reported"), [
    ("lrr > 1", "", r"Did you mean lr\?.*Available: study, trial_id"),
    ("trials.lrr > 1", "", r"Did you mean lr\?"),
    ("state = completed", "", "Text is in single quotes, as 'completed'"),
    ("1); drop table trials; select (1", "", "one condition"),
    ("state =", "", "syntax error"),
    (" ", "", "must be a condition"),
    ("epochs > 1", "-lrr", r"sorted.*Did you mean lr\?"),
])  # fmt: skip
def test_an_invalid_selection_is_refused(asha_results: Results, where: str | None, sort: str, reported: str) -> None:
    with pytest.raises(UsageError, match=reported):
        select_trials(asha_results, where, sort)


def test_several_objectives_can_be_selected(tmp_path: Path) -> None:
    results = load_results(recorded(tmp_path).store.uri)
    assert select_trials(results, "front and parameters < 5000", "-parameters") == ["0000", "0001", "0004"]


@pytest.mark.parametrize("metric", ["seconds", "front", "place"])
def test_an_objective_may_be_called_as_a_column_of_trials(tmp_path: Path, metric: str) -> None:
    objectives = [Objective("val_accuracy", "max"), Objective(metric, "min"), Objective("val_loss", "min")]
    study = Recording(tmp_path, tune_job("named", objectives=objectives), metrics=("val_accuracy", "val_loss", metric))
    study.train("0000", 1, {"lr": 0.1}, 0.5, 1.0, **{metric: 42.0, "val_loss": 7.0})
    study.end(2.0)
    results = load_results(study.store.uri)
    names = objective_columns(results)
    assert names == {"val_accuracy": "objective", metric: f"metric_{metric}", "val_loss": "val_loss"}
    (row,) = board(results).to_pylist()
    assert [row[name] for name in names.values()] == [0.5, 42.0, 7.0]
    assert (row["seconds"], row["place"], row["front"]) == (pytest.approx(0.94), 1, True)
