"""The leaderboard as data."""

from pathlib import Path

from pipeline.results import Results, load_results
from pipeline.results.analysis.leaderboard import AT_EPOCH, FRONT, STATE, TRIAL, LeaderboardColumn, columns, rows
from pipeline.results.tables.trials import configs_at_best, ranked
from pipeline.study import Objective
from tests.unit.results.front_studies import recorded
from tests.unit.results.studies import Recording, tune_job


def test_rows_hold_values_at_the_best_epoch(asha_results: Results) -> None:
    """The first row of a leaderboard is the best trial with its value, its best epoch and its config."""
    best, first = asha_results.best, rows(asha_results)[0]
    assert best is not None
    assert first.best
    assert first.values[LeaderboardColumn("metric", "val_accuracy")] == best.value
    assert first.values[AT_EPOCH] == best.epoch
    config = {column.name: value for column, value in first.values.items() if column.kind == "config"}
    assert config == configs_at_best(asha_results)[best.trial_id]


def test_a_trial_without_a_value_has_none_in_its_row(asha_results: Results) -> None:
    """The row of a trial without a value has its id and its state, but no best epoch."""
    unknown = asha_results.trials.loc[asha_results.trials["objective"].isna(), "trial_id"]
    found = {row.trial_id: row.values for row in rows(asha_results)}
    assert all(AT_EPOCH not in found[trial] for trial in unknown)
    assert all({TRIAL, STATE} <= set(values) for values in found.values())


def test_rows_can_be_chosen_and_ordered(asha_results: Results) -> None:
    """A leaderboard can have only its first rows, or given trials by rank or in the caller's order."""
    order = ranked(asha_results)
    some = [order[3], order[1]]
    assert [row.trial_id for row in rows(asha_results, top=2)] == order[:2]
    assert [row.trial_id for row in rows(asha_results, only=some)] == [order[1], order[3]]
    assert [row.trial_id for row in rows(asha_results, only=some, in_order=True)] == some


def test_several_objectives_have_columns_and_a_front(tmp_path: Path, asha_results: Results) -> None:
    """With several objectives, columns for others and the front follow the state, and with one there is no front."""
    results = load_results(recorded(tmp_path).store.uri)
    found = columns(results)
    place = found.index(STATE)
    assert found[place + 1 : place + 3] == [LeaderboardColumn("metric", "parameters"), FRONT]
    assert any(row.values[FRONT] for row in rows(results))
    assert FRONT not in columns(asha_results)


def test_a_page_has_columns_for_some_of_many_hyperparameters(wide: Results) -> None:
    """With a maximum, the columns are those of the most influential hyperparameters, in that order."""
    few = [column.name for column in columns(wide, 8) if column.kind == "config"]
    assert (len(few), few[0]) == (8, "p41")
    assert columns(wide, 60) == columns(wide)


def test_an_objective_without_a_value_has_no_cell(tmp_path: Path) -> None:
    """The row of a trial that did not report another objective has no value of it and is not on the front."""
    objectives = (Objective("val_accuracy", "max"), Objective("size", "min"))
    study = Recording(tmp_path, tune_job("some", objectives=objectives), metrics=("val_accuracy", "size"))
    for trial, size in (("0000", 3.0), ("0001", None)):
        study.train(trial, 1, {"lr": 0.1}, 0.5, 1.0, size=size)
    study.end(2.0)
    first, second = rows(load_results(study.store.uri))
    column = LeaderboardColumn("metric", "size")
    assert (first.values[column], first.values[FRONT]) == (3.0, True)
    assert column not in second.values
    assert second.values[FRONT] is False
