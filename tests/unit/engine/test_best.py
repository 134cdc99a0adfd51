"""Which epoch of a trial and which trial is the best, and what a searcher learns of them."""

import copy
import math
from typing import Any

import pytest

from pipeline.engine.draws import observation
from pipeline.engine.trial import BestEpoch, Incumbent, Trial
from pipeline.study import Objective
from tests.unit.engine.play import row


def test_a_value_that_is_not_finite_is_never_best():
    incumbent, trial = Incumbent([Objective("score", "max")]), Trial("0000", {})
    incumbent.record(trial, [row(1, math.inf), row(2, 0.3), row(3, math.nan)])
    assert (trial.best.value, trial.best.epoch) == (0.3, 2)
    assert math.isnan(trial.value)


@pytest.mark.parametrize("order", [1, -1])
def test_ties_go_to_the_earlier_epoch_then_to_the_lower_trial(order):
    trials = [Trial("0000", {}), Trial("0001", {}), Trial("0002", {})]
    reported = [(trials[0], row(3, 0.5)), (trials[1], row(2, 0.5)), (trials[2], row(2, 0.5))]
    incumbent = Incumbent([Objective("score", "max")])
    for trial, epoch in reported[::order]:
        incumbent.record(trial, [epoch])
    assert incumbent.best is trials[1]


def test_a_value_within_the_bounds_beats_a_better_one_beyond():
    objectives = [Objective("score", "max"), Objective("size", "min", at_most=10)]
    incumbent, first, second = Incumbent(objectives), Trial("0000", {}), Trial("0001", {})
    incumbent.record(first, [row(1, 0.9, size=30), row(2, 0.8, size=20), row(3, 0.95, size=40)])
    assert first.best == BestEpoch(0.8, 2, 1.0, (0.8, 20.0))
    incumbent.record(second, [row(1, 0.1, size=10)])
    assert incumbent.best is second


def _report(incumbent: Incumbent, trials: list[Trial], start: int, *values: float) -> None:
    rows = [row(epoch, value) for epoch, value in enumerate(values, start)]
    if incumbent.record(trials[0], rows):
        incumbent.reconsider(trials)
    trials[0].epoch = max(trials[0].epoch, rows[-1]["epoch"])


@pytest.mark.parametrize("later_driver", [False, True])
def test_another_attempt_replaces_its_segment_and_nothing_of_the_segments_before(later_driver):
    incumbent, trials = Incumbent([Objective("score", "max")]), [Trial("0000", {}), Trial("0001", {})]
    incumbent.record(trials[1], [row(1, 0.55)])
    _report(incumbent, trials, 1, 0.5, 0.4)
    trials[0].segment, trials[0].segment_start, trials[0].config = 2, 2, {"x": 1}
    _report(incumbent, trials, 3, 0.6, 0.2)
    assert (trials[0].best.value, trials[0].best.config, incumbent.best) == (0.6, {"x": 1}, trials[0])
    if later_driver:
        trials = copy.deepcopy(trials)
        incumbent = Incumbent([Objective("score", "max")])
        incumbent.reconsider(trials)
    _report(incumbent, trials, 3, 0.3)
    assert (trials[0].best.value, trials[0].best.epoch, incumbent.best) == (0.5, 1, trials[1])
    _report(incumbent, trials, 4, 0.7)
    assert (trials[0].best.value, incumbent.best) == (0.7, trials[0])


@pytest.mark.parametrize(("state", "has_best", "known", "ended"), [
    ("failed", True, "failed", False),
    ("running", True, "open", False),
    ("running", False, "open", False),
    ("paused", True, "known", False),
    ("stopped", True, "known", False),
    ("stopped", False, "failed", False),
    ("completed", False, "failed", False),
    ("completed", True, "known", True),
])  # fmt: skip
def test_a_searcher_learns_the_best_epoch_and_every_milestone(state: Any, has_best: bool, known: str, ended: bool):
    best = BestEpoch(0.9, 1, config={"x": 0.5}) if has_best else None
    trial = Trial("0003", {"x": 0.6}, state=state, best=best, milestones={4: (0.7,), 1: (0.9,)})
    found = observation(trial, "max")
    assert (found.state, found.ended, found.trial_id) == (known, ended, "0003")
    assert (found.loss, found.config) == ((-0.9, {"x": 0.5}) if known == "known" else (None, {"x": 0.6}))
    assert found.curve == ((1, -0.9), (4, -0.7))
    assert observation(trial, "min").curve == ((1, 0.9), (4, 0.7))
