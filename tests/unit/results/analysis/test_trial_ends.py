"""Trials that were stopped early."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.results import Results
from pipeline.results.analysis.trial_ends import ended_by_itself, saved_epochs, stopped_early
from tests.unit.results.small_studies import cut_off_study


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
