"""The table of trials, derived from epochs and decisions."""

import json
from pathlib import Path

import pytest

from pipeline.results import Results
from pipeline.study import Objective
from tests.unit.results.studies import HOSTILE, Recording, tune_job
from tests.unit.results.tables.rows import CONFIG, trials_of


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        (["start"], "running"),
        (["start", "stop"], "stopped"),
        (["start", "finish"], "completed"),
        (["start", "fail"], "failed"),
        (["start", "pause"], "paused"),
        (["start", "pause", "promote"], "running"),
        (["start", "exploit"], "paused"),
        (["start", "retry"], "waiting"),
        (["start", "stop", "resume"], "running"),
    ],
)
def test_a_trials_state_is_what_its_last_decision_left(study: Recording, kinds: list[str], state: str) -> None:
    """Each kind of decision leaves its trial in a particular state."""
    for kind in kinds:
        study.decide("0000", 0, kind, 0.0)

    assert trials_of(study)["0000"]["state"] == state


def test_a_decision_about_the_study_changes_no_trial(study: Recording) -> None:
    """A study's pause, resume and change of its budget add no trial, and leave every trial's state."""
    study.decide("0000", 0, "start", 0.0, config_after=CONFIG)
    for kind in ("pause", "resume", "budget"):
        study.decide(None, None, kind, 1.0)
    assert {trial: row["state"] for trial, row in trials_of(study).items()} == {"0000": "running"}


def test_a_retried_trial_runs_once_its_new_attempt_reports(study: Recording) -> None:
    """A trial whose worker was lost is waiting until its next attempt reports an epoch."""
    study.decide("0000", 0, "start", 0.0)
    study.train("0000", 1, CONFIG, 0.5, 1.0)
    study.decide("0000", 1, "retry", 2.0)
    assert (trials_of(study)["0000"]["state"], trials_of(study)["0000"]["attempts"]) == ("waiting", 2)

    study.train("0000", 1, CONFIG, 0.5, 3.0, attempt=2)
    study.part = 10
    assert trials_of(study)["0000"]["state"] == "running"


def test_the_best_epoch_is_the_earlier_of_two_that_tie_and_never_nan(study: Recording) -> None:
    """Of two epochs with equal values the earlier one is the best, and a value that is not finite is never the best."""
    for epoch, value in enumerate([0.2, 0.7, float("nan"), 0.7, float("inf"), 0.1], start=1):
        study.train("0000", epoch, CONFIG, value, float(epoch))
    row = trials_of(study)["0000"]

    assert (row["objective"], row["best_epoch"], row["last_objective"], row["epochs"]) == (0.7, 2, 0.1, 6)


def test_a_trial_whose_every_value_is_nan_has_no_best_epoch(study: Recording) -> None:
    """A trial whose values are all NaN has neither objective nor best epoch."""
    study.train("0000", 1, CONFIG, float("nan"), 1.0)
    row = trials_of(study)["0000"]

    assert row["objective"] is None
    assert row["best_epoch"] is None
    assert row["epochs"] == 1


def test_a_loss_is_best_where_it_is_smallest(domains_results: Results) -> None:
    """In mode min, the best epoch of a trial is the one with the smallest value."""
    smallest = domains_results.epochs.groupby("trial_id")["val_loss"].min()

    assert domains_results.trials.set_index("trial_id")["objective"].to_dict() == smallest.to_dict()


def test_seconds_are_those_of_the_rows_that_count(study: Recording) -> None:
    """A trial's seconds are the sum of all phases over its rows, without superseded rows."""
    seconds = {"seconds_build": 1.0, "seconds_train": 2.0, "seconds_evaluate": 0.5, "seconds_checkpoint": 0.25}
    study.train("0000", 1, CONFIG, 0.5, 1.0, **seconds)
    study.train("0000", 1, CONFIG, 0.5, 2.0, attempt=2, **seconds)

    assert trials_of(study)["0000"]["seconds"] == 3.75


def test_an_exploit_gives_its_parent_and_the_config_explored(pbt: Recording, pbt_results: Results) -> None:
    """A trial has the parent and the explored config of its last exploit."""
    exploits = pbt_results.decisions[pbt_results.decisions["kind"] == "exploit"].groupby("trial_id").last()
    trials = pbt_results.trials.set_index("trial_id")

    assert len(exploits) >= 2
    for trial_id, exploit in exploits.iterrows():
        assert trials.loc[trial_id, "parent"] == exploit["parent_trial"]
        assert trials.loc[trial_id, "config_lr"] == json.loads(exploit["config_after"])["lr"]
    assert trials.drop(exploits.index)["parent"].isna().all()


def test_a_config_comes_from_the_epochs_where_no_decision_tells(study: Recording) -> None:
    """A trial whose start was not recorded has the config its epochs were trained with."""
    study.train("0000", 1, CONFIG, 0.5, 1.0)
    row = trials_of(study)["0000"]

    assert {name: row[f"config_{name}"] for name in CONFIG} == CONFIG


def test_a_failed_trial_carries_its_traceback_and_others_no_error(asha_results: Results) -> None:
    """A failed trial has the reason of its failure as its error, and other trials have no error."""
    trials = asha_results.trials.set_index("trial_id")

    assert HOSTILE in trials.loc["0004", "error"]
    assert "NaN" in trials.loc["0009", "error"]
    assert trials.drop(["0004", "0009"])["error"].isna().all()


def test_trials_are_in_order_of_their_numbers(study: Recording) -> None:
    """Trials are ordered by number, so that trial 10000 follows 9999."""
    for trial in ("10000", "9999", "0002"):
        study.decide(trial, 0, "start", 0.0)

    assert list(trials_of(study)) == ["0002", "9999", "10000"]


def test_the_smallest_violation_goes_before_a_better_value(tmp_path: Path) -> None:
    """Where all epochs of a trial are beyond a bound, its best epoch is the one that is beyond it by least."""
    objectives = (Objective("val_accuracy", "max"), Objective("loss", "min", at_most=1.0))
    study = Recording(tmp_path, tune_job("beyond", objectives=objectives))
    for epoch, value, loss in ((1, 0.5, 1.1), (2, 0.9, 1.3), (3, 0.4, 1.1)):
        study.train("0000", epoch, {"lr": 0.1}, value, float(epoch), loss=loss)
    row = trials_of(study)["0000"]
    assert (row["objective"], row["best_epoch"], row["violation"]) == (0.5, 1, pytest.approx(0.1))
