"""What the tables say, on a study of successive halving and on a population."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.results import Results, load_results
from pipeline.results.analysis import queries
from pipeline.study import layout
from tests.recorded_studies import Recording, tune_job, with_tables
from tests.small_studies import by_epoch_study, cut_off_study, user_stopped_study

RISING = [[0.1 * n, 0.1 * n + 0.05, 0.1 * n + 0.1, 0.1 * n + 0.2] for n in range(6)]


def test_the_best_value_grows_over_epochs_trials_and_seconds(asha_results: Results) -> None:
    rows = queries.progress(asha_results).to_pylist()
    assert [row["epochs"] for row in rows] == list(range(1, asha_results.table("epochs").num_rows + 1))
    assert rows[-1]["trials"] == len(set(asha_results.table("epochs")["trial_id"].to_pylist()))
    assert all(before["seconds"] <= after["seconds"] for before, after in pairwise(rows))
    assert rows[-1]["best"] == asha_results.best.value  # type: ignore[union-attr]
    rises = queries.rises(asha_results)["best"].to_pylist()
    assert all(before < after for before, after in pairwise(rises))
    assert rises[-1] == rows[-1]["best"]


def test_every_trial_that_trained_to_a_rung_was_compared_there(asha_results: Results) -> None:
    first, *_ = queries.rungs(asha_results).to_pylist()
    assert first["rung"] == 1
    assert first["reached"] == (asha_results.trials["epochs"] >= 1).sum()
    stopped = asha_results.decisions[asha_results.decisions["kind"] == "stop"]
    assert first["stopped"] == (stopped["rung"] == 1).sum()


@pytest.mark.parametrize(
    ("study", "by", "saved"),
    [
        (lambda root: cut_off_study(root, compared=False), {"comparison": 0, "user": 0, "end": 2}, 0),
        (lambda root: cut_off_study(root, compared=True), {"comparison": 1, "user": 0, "end": 1}, 2),
        (user_stopped_study, {"comparison": 0, "user": 1, "end": 0}, 0),
    ],
)
def test_only_stops_by_comparison_save_epochs(study: object, by: dict[str, int], saved: int, tmp_path: Path) -> None:
    counts = queries.trial_counts(study(tmp_path))  # type: ignore[operator]
    assert counts.stopped == by
    assert counts.saved == saved


def test_the_best_model_is_traced_to_its_ancestors(population: Results, asha_results: Results) -> None:
    assert queries.exploits(population).num_rows == 1
    assert queries.ancestry(population) == [
        {"trial_id": "0001", "after": 0, "until": 2, "age": 0},
        {"trial_id": "0000", "after": 2, "until": 4, "age": 2},
    ]
    assert len(queries.ancestry(asha_results)) == 1
    assert queries.ancestry(with_tables(asha_results, trials=asha_results.trials.head(0))) == []


def test_effort_is_the_sum_of_all_phases_and_the_idle_rest(asha_results: Results) -> None:
    two = [{**session, "workers": 2} for session in asha_results.sessions]
    spent = queries.effort(replace(asha_results, sessions=two))
    assert spent["train"] == pytest.approx(asha_results.epochs["seconds_train"].sum())
    assert sum(spent.values()) == pytest.approx(2 * asha_results.seconds)


def test_curves_that_never_cross_agree_from_the_first_epoch(tmp_path: Path) -> None:
    metric = queries.agreements(by_epoch_study(tmp_path / "max", RISING, epochs=4))
    first = metric[0]
    assert (first["epoch"], first["trials"], first["correlation"]) == (1, 6, pytest.approx(1))
    # Of few trials, an interval is wide even where all agree.
    assert first["interval"] == [pytest.approx(0.745, abs=0.02), pytest.approx(1)]
    falling = [[1 - value for value in curve] for curve in RISING]
    assert queries.agreements(by_epoch_study(tmp_path / "min", falling, epochs=4, mode="min")) == metric


def test_curves_that_cross_disagree(tmp_path: Path) -> None:
    crossing = [[0.5 - 0.1 * n, 0.5, 0.5, 0.6 + 0.05 * n] for n in range(6)]
    first, *_ = queries.agreements(by_epoch_study(tmp_path, crossing, epochs=4))
    assert first["correlation"] == pytest.approx(-1)


def test_only_fully_trained_trials_have_a_final_value(tmp_path: Path) -> None:
    study = Recording(tmp_path, tune_job("early", scheduler="asha", budget={"epochs": 4, "trials": 9}))
    for index, curve in enumerate([*RISING, [0.05, 0.9]]):
        trial = layout.trial_id(index)
        study.decide(trial, 0, "start", 0.0, config_after={"lr": 0.1})
        for epoch, value in enumerate(curve, start=1):
            study.train(trial, epoch, {"lr": 0.1}, value, float(epoch))
        study.decide(trial, len(curve), "finish", 9.0)
    study.end(9.0)
    assert {row["trials"] for row in queries.agreements(load_results(study.store.uri))} == {6}
    assert queries.agreements(by_epoch_study(tmp_path, [*RISING[:4], [0.05]], epochs=4)) == []


def test_saved_seconds_are_those_of_steady_epochs(tmp_path: Path) -> None:
    results = by_epoch_study(tmp_path, [*RISING, [0.55], [0.45]], epochs=4)
    counts = queries.trial_counts(results)
    assert (counts.saved, counts.whole) == (6, 32)
    # The first epoch, with its build, does not count; the others take 0.31, 0.27 and 0.29 s, and 0.05 s of validation.
    assert counts.saved_seconds == pytest.approx(6 * (0.29 + 0.05))
    unknown = queries.trial_counts(by_epoch_study(tmp_path / "one", [[0.5], [0.4], [0.3]], epochs=9))
    assert (unknown.saved, unknown.saved_seconds) == (24, None)


def test_a_session_with_changed_data_is_a_change(asha_results: Results) -> None:
    assert queries.changes(asha_results) == []
    later = {**asha_results.sessions[0], "number": 2, "data_changes": ["other rows"]}
    (change,) = queries.changes(replace(asha_results, sessions=[*asha_results.sessions, later]))
    assert change == {"session": 2, "kind": "data", "changes": ["other rows"]}


def test_decisions_about_the_study_have_no_trial(asha_results: Results) -> None:
    assert queries.study_decisions(asha_results)["kind"].to_pylist() == ["pause", "resume", "budget"]
