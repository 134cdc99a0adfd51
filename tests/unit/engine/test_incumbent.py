"""Which trial is the best."""

import json
import math

import pytest

from pipeline.engine.incumbent import Incumbent
from pipeline.engine.trial import Trial
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
    other.state = "failed"
    incumbent.reconsider([good, other])
    assert incumbent.best is None


def test_a_value_within_the_bounds_beats_a_better_one_beyond():
    """A value within the bounds is better than any beyond, and of those beyond the smallest violation is best."""
    objectives = [Objective("score", "max"), Objective("size", "min", at_most=10)]
    incumbent, first, second = Incumbent(objectives), Trial("0000", {}, 0), Trial("0001", {}, 0)
    incumbent.record(first, [row(1, 0.9, size=30), row(2, 0.8, size=20), row(3, 0.95, size=40)])
    assert (first.best, first.best_epoch, first.violation, first.best_values) == (0.8, 2, 1.0, (0.8, 20.0))
    incumbent.record(second, [row(1, 0.1, size=10)])
    assert incumbent.best is second


def _report(incumbent: Incumbent, trials: list[Trial], epochs: list[int], values: list[float], attempt: int) -> None:
    """Report epochs of the first trial, as a study does."""
    rows = [row(epoch, value, attempt=attempt) for epoch, value in zip(epochs, values, strict=True)]
    if incumbent.record(trials[0], rows):
        incumbent.reconsider(trials)
    trials[0].epoch = max(trials[0].epoch, epochs[-1])


def test_a_value_of_an_earlier_attempt_counts_until_its_epoch_is_reported_again():
    """A best epoch that another attempt trains to a worse value no longer counts, and another trial may be the best."""
    incumbent, trials = Incumbent([Objective("score", "max")]), [Trial("0000", {}, 0), Trial("0001", {}, 0)]
    incumbent.record(trials[1], [row(1, 0.87)])
    _report(incumbent, trials, [1, 2, 3, 4, 5], [0.1, 0.6, 0.7, 0.8, 0.9], 1)
    assert incumbent.best is trials[0]
    _report(incumbent, trials, [1, 2, 3, 4], [0.1, 0.6, 0.7, 0.82], 2)
    assert (trials[0].best, trials[0].best_epoch, incumbent.best) == (0.9, 5, trials[0])
    _report(incumbent, trials, [5], [0.81], 2)
    assert (trials[0].best, trials[0].best_epoch, incumbent.best) == (0.82, 4, trials[1])
    _report(incumbent, trials, [6], [0.95], 2)
    assert (trials[0].best, trials[0].best_epoch, incumbent.best) == (0.95, 6, trials[0])


def test_another_attempt_of_a_segment_replaces_nothing_of_the_segments_before():
    """The best epoch of an earlier segment counts while another attempt trains the current segment again."""
    incumbent, trials = Incumbent([Objective("score", "max")]), [Trial("0000", {}, 0)]
    _report(incumbent, trials, [1, 2], [0.5, 0.4], 1)
    trials[0].segment, trials[0].segment_start, trials[0].config = 2, 2, {"x": 1}
    _report(incumbent, trials, [3], [0.6], 1)
    assert (trials[0].best, trials[0].best_config) == (0.6, {"x": 1})
    _report(incumbent, trials, [3], [0.3], 2)
    assert (trials[0].best, trials[0].best_epoch, trials[0].best_config) == (0.5, 1, {})


def test_a_later_driver_knows_the_best_epoch_of_the_segments_before():
    """A driver that resumes a trial in a later segment keeps the best of earlier ones, if the segment gets worse."""
    incumbent, trials = Incumbent([Objective("score", "max")]), [Trial("0000", {}, 0)]
    _report(incumbent, trials, [1, 2], [0.5, 0.4], 1)
    trials[0].segment, trials[0].segment_start, trials[0].config = 2, 2, {"x": 1}
    _report(incumbent, trials, [3], [0.6], 1)
    resumed, trials = (
        Incumbent([Objective("score", "max")]),
        [Trial.from_json(json.loads(json.dumps(trials[0].to_json())))],
    )
    _report(resumed, trials, [3], [0.3], 2)
    assert (trials[0].best, trials[0].best_epoch, trials[0].best_config) == (0.5, 1, {})


def test_an_attempt_that_reports_the_same_changes_nothing():
    """A worker that resumes a trial reports its segment again, and the best value, epoch and trial stay."""
    incumbent, trials = Incumbent([Objective("score", "min")]), [Trial("0000", {"x": 1}, 0)]
    _report(incumbent, trials, [1, 2, 3], [0.3, 0.1, 0.2], 1)
    for epochs in ([1], [2, 3], [1, 2, 3]):
        _report(incumbent, trials, epochs, [[0.3, 0.1, 0.2][epoch - 1] for epoch in epochs], 2)
        assert (trials[0].best, trials[0].best_epoch, trials[0].best_config) == (0.1, 2, {"x": 1})
        assert incumbent.best is trials[0]
