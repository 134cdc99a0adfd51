"""Which trial is the best."""

import math

import pytest

from pipeline.loop.incumbent import Incumbent
from pipeline.loop.trial import Trial
from pipeline.study import Objective
from tests.unit.execution.recorded_curves import row


def test_a_value_that_is_not_finite_is_never_best():
    """A value that is NaN or infinite is never the best."""
    incumbent, trial = Incumbent([Objective("score", "max")]), Trial("0000", {}, 0)
    incumbent.record(trial, [row(1, math.inf), row(2, 0.3), row(3, math.nan)])
    assert (trial.best, trial.best_epoch) == (0.3, 2)
    assert math.isnan(trial.value)


@pytest.mark.parametrize("first", [0, 1])
def test_ties_go_to_the_earlier_epoch_then_to_the_lower_trial(first):
    """Of equal values, the one of the earlier epoch and then of the lower trial is best, in any order of reports."""
    trials = [Trial("0000", {}, 0), Trial("0001", {}, 0), Trial("0002", {}, 0)]
    reported = [(trials[0], row(3, 0.5)), (trials[1], row(2, 0.5)), (trials[2], row(2, 0.5))]
    incumbent = Incumbent([Objective("score", "max")])
    for trial, epoch in reported if first == 0 else reversed(reported):
        incumbent.record(trial, [epoch])
    assert incumbent.best is trials[1]


def test_the_next_best_trial_replaces_a_best_trial_that_fails():
    """A failed trial is never the best, even if it had the best value."""
    incumbent, good, other = Incumbent([Objective("score", "min")]), Trial("0000", {}, 0), Trial("0001", {}, 0)
    incumbent.record(good, [row(1, 0.1)])
    incumbent.record(other, [row(1, 0.4)])
    good.state = "failed"
    incumbent.reconsider([good, other])
    assert incumbent.best is other


def test_a_value_within_the_bounds_beats_a_better_one_beyond():
    """A value within the bounds is better than any beyond, and of those beyond the smallest violation is best."""
    objectives = [Objective("score", "max"), Objective("size", "min", at_most=10)]
    incumbent, first, second = Incumbent(objectives), Trial("0000", {}, 0), Trial("0001", {}, 0)
    incumbent.record(first, [row(1, 0.9, size=30), row(2, 0.8, size=20), row(3, 0.95, size=40)])
    assert (first.best, first.best_epoch, first.violation, first.best_values) == (0.8, 2, 1.0, (0.8, 20.0))
    incumbent.record(second, [row(1, 0.1, size=10)])
    assert incumbent.best is second
