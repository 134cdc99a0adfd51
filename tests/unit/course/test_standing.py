"""Which trial is the best."""

import math

import pytest

from pipeline.course.standing import Standing
from pipeline.course.trial import Trial
from pipeline.study import Objective
from tests.unit.execution.played import row


def test_a_value_that_is_not_finite_is_never_best():
    """Neither not-a-number nor infinity."""
    standing, trial = Standing(Objective("score", "max")), Trial("0000", {}, 0)
    standing.record(trial, [row(1, math.inf), row(2, 0.3), row(3, math.nan)])
    assert (trial.best, trial.best_epoch) == (0.3, 2)
    assert math.isnan(trial.value)


@pytest.mark.parametrize("first", [0, 1])
def test_ties_go_to_the_earlier_epoch_then_to_the_lower_trial(first):
    """In whatever order they are told."""
    trials = [Trial("0000", {}, 0), Trial("0001", {}, 0), Trial("0002", {}, 0)]
    told = [(trials[0], row(3, 0.5)), (trials[1], row(2, 0.5)), (trials[2], row(2, 0.5))]
    standing = Standing(Objective("score", "max"))
    for trial, epoch in told if first == 0 else reversed(told):
        standing.record(trial, [epoch])
    assert standing.best is trials[1]


def test_when_the_best_fails_the_next_takes_its_place():
    """A failed trial is never the best, though its value was."""
    standing, good, other = Standing(Objective("score", "min")), Trial("0000", {}, 0), Trial("0001", {}, 0)
    standing.record(good, [row(1, 0.1)])
    standing.record(other, [row(1, 0.4)])
    good.state = "failed"
    standing.reconsider([good, other])
    assert standing.best is other
