"""Trials that were stopped early."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.results import Results
from pipeline.results.analysis.trial_ends import ended_by_itself, saved_epochs, stopped_by_users, stopped_early
from tests.unit.results.small_studies import cut_off_study, user_stopped_study


def test_saved_epochs_are_those_of_stopped_trials(asha_results: Results) -> None:
    """Saved epochs are those that stopped trials did not train, and failed trials save none."""
    stopped = asha_results.trials[asha_results.trials["state"] == "stopped"]
    completed = (asha_results.trials["state"] == "completed").sum()

    assert saved_epochs(asha_results) == (int((9 - stopped["epochs"]).sum()), 9 * (len(stopped) + completed))


def test_only_a_comparison_stops_early(tmp_path: Path) -> None:
    """A trial that a used-up budget ended does not count as stopped early and saves no epochs."""
    cut_off = cut_off_study(tmp_path / "cut", compared=False)
    assert (len(stopped_early(cut_off)), saved_epochs(cut_off)) == (0, (0, 0))
    both = cut_off_study(tmp_path / "both", compared=True)
    assert list(stopped_early(both)["trial_id"]) == ["0000"]
    assert saved_epochs(both) == (2, 4)


def test_a_trial_that_was_continued_was_not_stopped(asha_results: Results) -> None:
    """A trial that a resumed study continues with a larger budget does not count as stopped."""
    first = stopped_early(asha_results)["trial_id"].iloc[0]
    went_on = asha_results.trials["trial_id"] == first
    trials = asha_results.trials.assign(state=asha_results.trials["state"].where(~went_on, "completed"))
    assert first not in set(stopped_early(replace(asha_results, trials=trials))["trial_id"])


def test_a_comparison_of_several_objectives_has_no_cutoff(tmp_path: Path) -> None:
    """A trial that was stopped at a rung was stopped early, even if no single value was the cutoff."""
    results = cut_off_study(tmp_path, compared=True)
    without = replace(results, decisions=results.decisions.assign(cutoff=float("nan")))
    assert list(stopped_early(without)["trial_id"]) == ["0000"]


def test_the_last_stop_of_a_trial_counts(tmp_path: Path) -> None:
    """A trial that a resumed study continued after a comparison, and then cut off, was not stopped early."""
    results = cut_off_study(tmp_path, compared=True)
    later = results.decisions.tail(1).assign(trial_id="0000", number=99)
    continued = replace(results, decisions=pd.concat([results.decisions, later], ignore_index=True))
    assert len(stopped_early(continued)) == 0


def test_a_user_stops_a_trial_without_a_comparison(tmp_path: Path) -> None:
    """A trial that a user stopped is neither stopped early nor among those that other reasons ended."""
    results = user_stopped_study(tmp_path)
    assert list(stopped_by_users(results)["trial_id"]) == ["0000"]
    assert (len(stopped_early(results)), saved_epochs(results)) == (0, (0, 2))
    cut_off = cut_off_study(tmp_path, compared=True)
    assert len(stopped_by_users(cut_off)) == 0


@pytest.mark.parametrize(
    ("trial", "by_itself"),
    [
        ({}, True),
        ({"state": "stopped"}, False),
        ({"epochs": 9}, False),
        ({"objective": 0.9}, False),
        ({"objective": 0.9, "violation": 0.1}, True),
    ],
    ids=["callback", "scheduler", "maximum", "target", "beyond-bounds"],
)
def test_a_trial_ends_by_itself_before_its_maximum_and_its_target(
    asha_results: Results, trial: dict[str, Any], by_itself: bool
) -> None:
    """A completed trial ended by itself if neither its maximum nor, within the bounds, the target ended it."""
    budget = {**asha_results.job["budget"], "epochs": 9, "target": 0.9}
    results = replace(asha_results, study={**asha_results.study, "job": {**asha_results.job, "budget": budget}})
    row = {"state": "completed", "epochs": 4, "objective": 0.5, "violation": 0.0, **trial}
    assert ended_by_itself(row, results) is by_itself
