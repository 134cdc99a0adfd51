"""What the tables say, on a study of successive halving and on a population."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.engine.limits import expected_epochs, seconds_left
from pipeline.results import Results
from pipeline.results.analysis import queries
from pipeline.study import Budget
from tests.unit.results.small_studies import by_epoch_study, cut_off_study, user_stopped_study
from tests.unit.results.studies import with_tables


def test_the_best_value_grows_over_epochs_trials_and_seconds(asha_results: Results) -> None:
    rows = queries.progress(asha_results).to_pylist()
    assert [row["epochs"] for row in rows] == list(range(1, asha_results.table("epochs").num_rows + 1))
    assert rows[-1]["trials"] == len(set(asha_results.table("epochs")["trial_id"].to_pylist()))
    assert all(before["seconds"] <= after["seconds"] for before, after in pairwise(rows))
    assert rows[-1]["best"] == asha_results.best.value  # type: ignore[union-attr]
    rises = queries.rises(asha_results)["best"].to_pylist()
    assert all(before < after for before, after in pairwise(rises))
    assert rises[-1] == rows[-1]["best"]


def test_epochs_of_failed_trials_are_not_reached(asha_results: Results) -> None:
    epochs = asha_results.epochs.merge(asha_results.trials[["trial_id", "state"]])
    usable = epochs[(epochs["state"] != "failed") & epochs["val_accuracy"].notna()]
    assert sorted(queries.reached(asha_results)["value"].to_pylist()) == sorted(usable["val_accuracy"])


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
    spent = queries.effort(asha_results)
    assert spent.trials["trial_id"].to_pylist() == asha_results.trials["trial_id"].tolist()
    for phase, seconds in spent.phases.items():
        assert seconds == pytest.approx(asha_results.epochs[f"seconds_{phase}"].sum())
    two = [{**session, "workers": 2} for session in asha_results.sessions]
    spent = queries.effort(replace(asha_results, sessions=two))
    assert spent.workers == 2
    assert spent.idle == pytest.approx(2 * asha_results.seconds - sum(spent.phases.values()))


def test_an_epochs_duration_is_that_of_steady_ones(tmp_path: Path) -> None:
    # The first epoch of a start takes 0.6 s more; steady ones take 0.27 to 0.31 s, and 0.05 s of validation.
    results = by_epoch_study(tmp_path, [[0.1, 0.2, 0.3], [0.1]], epochs=3)
    seconds = queries.epoch_seconds(results)
    assert seconds["0000"] == pytest.approx((0.31 + 0.27) / 2 + 0.05)
    assert seconds["0001"] == seconds["0000"]
    assert queries.node_seconds(results) == {"node-1": pytest.approx(seconds["0000"])}
    assert queries.epoch_seconds(by_epoch_study(tmp_path / "one", [[0.5]], epochs=3)) == {"0000": None}


def test_folds_have_their_mean_and_each_value(folded: Results, asha_results: Results) -> None:
    first, *_ = queries.spreads(folded).to_pylist()
    assert first["each"] == [0.9, 0.92, 0.94]
    assert first["mean"] == pytest.approx(0.92)
    assert queries.spreads(asha_results).num_rows == 0


def test_costs_add_up_over_a_trials_epochs(batches: Results, asha_results: Results) -> None:
    assert queries.has_costs(batches)
    assert not queries.has_costs(asha_results)
    rows = queries.costs(batches).to_pylist()
    assert [(row["trial_id"], row["updates"], row["seconds"]) for row in rows] == [
        ("0000", 100, 10), ("0000", 200, 20), ("0001", 10, 1), ("0001", 20, 2),
    ]  # fmt: skip


def test_a_session_with_changed_data_divides_the_trials(asha_results: Results) -> None:
    assert queries.changes(asha_results) == []
    (session,) = asha_results.sessions
    later = {**session, "number": 2, "data_changes": ["other rows"]}
    epochs = asha_results.epochs.copy()
    epochs.loc[epochs["trial_id"] >= "0020", "session"] = 2
    (change,) = queries.changes(replace(with_tables(asha_results, epochs=epochs), sessions=[session, later]))
    assert (change["session"], change["kind"], change["changes"]) == (2, "data", ["other rows"])
    assert change["trials_since"] == [trial for trial in asha_results.trials["trial_id"] if trial >= "0020"]


def test_decisions_about_the_study_have_no_trial(asha_results: Results) -> None:
    assert queries.study_decisions(asha_results)["kind"].to_pylist() == ["pause", "resume", "budget"]


@pytest.mark.parametrize(
    ("ended", "live", "maximum", "expected"),
    [
        ([], [], 10, (10, 0)), ([], [0, 4, 10], 10, (10, 16)), ([10, 10], [3], 10, (10, 7)),
        ([1, 1], [2, 3], 5, (3, 5)), ([1, 1, 3], [2], 4, (2, 1)), ([0, 0], [], 5, (0, 0)), ([9], [8], 4, (4, 0)),
        ([10**6], [0], 10**12, (10**6, 10**6)),
    ],
)  # fmt: skip
def test_trials_are_expected_to_train_as_far_as_those_before(
    ended: list[int], live: list[int], maximum: int, expected: tuple[float, float]
) -> None:
    assert expected_epochs(ended, live, maximum) == expected


@pytest.mark.parametrize(
    ("budget", "more", "expected"),
    [
        ({}, {"rate": 2.0}, 5), ({"total_epochs": 8}, {"rate": 2.0}, 1),
        ({"seconds": 6}, {"rate": 2.0}, 1), ({"seconds": 3}, {"rate": 2.0}, 0), ({}, {"rate": None}, None),
    ],
)  # fmt: skip
def test_the_time_left_is_bounded_by_the_budget(
    budget: dict[str, int], more: dict[str, float | None], expected: float | None
) -> None:
    known = {"ended": [4], "live": [2], "limit": 4, "seconds": 5.0}
    assert seconds_left(Budget(trials=4, epochs=4, **budget), **known, **more) == expected  # type: ignore[arg-type]
