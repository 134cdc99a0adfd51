"""How long an epoch takes once it runs, on rows for which the answer is known."""

import math
from functools import partial
from itertools import pairwise

import pandas as pd

from pipeline.results.analysis.epoch_timing import epoch_seconds, expected_epochs, seconds_left, steady_seconds
from pipeline.study import Budget


def rows(*reported: tuple[str, int, int, float, float]) -> pd.DataFrame:
    """A table `epochs`: trial, attempt, segment, seconds to build, seconds to train; 0.5 s of validation each."""
    names = ["trial_id", "attempt", "segment", "seconds_build", "seconds_train"]
    return pd.DataFrame(reported, columns=names).assign(session=1, seconds_evaluate=0.5)


def test_first_epochs_do_not_count() -> None:
    """The first epoch of a trial, an attempt, a segment or a new model does not count for the duration of an epoch."""
    epochs = rows(
        ("0000", 1, 1, 9.0, 5.0), ("0000", 1, 1, 0.0, 1.0), ("0000", 1, 1, 3.0, 4.0), ("0000", 2, 1, 0.0, 6.0),
        ("0000", 2, 1, 0.0, 2.0), ("0000", 2, 2, 0.0, 7.0), ("0000", 2, 2, 0.0, 3.0),
    )  # fmt: skip
    assert steady_seconds(epochs).tolist() == [1.5, 2.5, 3.5]


def test_an_attempt_that_appears_again_has_one_first_epoch() -> None:
    """Rows of an attempt that others separate are one stretch, whose first row alone does not count."""
    epochs = rows(
        ("0000", 1, 1, 0.0, 5.0), ("0000", 2, 1, 0.0, 6.0), ("0000", 1, 1, 0.0, 2.0), ("0001", 1, 1, 0.0, 7.0)
    )
    assert steady_seconds(epochs).tolist() == [2.5]
    assert steady_seconds(epochs.iloc[:0]).tolist() == []


def test_a_trial_without_a_steady_epoch_takes_what_others_take() -> None:
    """A trial without a steady epoch takes the median of the others' medians, which one slow epoch does not change."""
    epochs = rows(
        ("0000", 1, 1, 9.0, 90.0), ("0000", 1, 1, 0.0, 1.0), ("0000", 1, 1, 0.0, 1.0), ("0000", 1, 1, 0.0, 500.0),
        ("0001", 1, 1, 9.0, 90.0), ("0001", 1, 1, 0.0, 3.0), ("0002", 1, 1, 9.0, 90.0),
    )  # fmt: skip
    assert epoch_seconds(epochs, pd.Series(["0000", "0001", "0002"])).tolist() == [1.5, 3.5, 2.5]


def test_the_pace_of_first_epochs_is_unknown() -> None:
    """The duration of an epoch is unknown in a study that trained only first epochs."""
    assert math.isnan(epoch_seconds(rows(("0000", 1, 1, 9.0, 90.0)), pd.Series(["0000"]))[0])


def test_trials_are_expected_to_train_as_far_as_those_before() -> None:
    """The chance that a trial continues after an epoch is the share of the trials that did, live ones included."""
    assert expected_epochs([], [], 10) == (10.0, 0.0)
    assert expected_epochs([], [0, 4, 10], 10) == (10.0, 16.0)
    assert expected_epochs([10, 10], [3], 10) == (10.0, 7.0)
    # Half of the trials ended after the first epoch: one that is live continues, as no other has ended since.
    assert expected_epochs([1, 1], [2, 3], 5) == (3.0, 5.0)
    # One that is live after the epoch at which others ended continues, too.
    assert expected_epochs([1, 1], [1], 5)[1] == 4.0
    # Of four, two ended after one epoch and one after three; the fourth has trained two.
    each, begun = expected_epochs([1, 1, 3], [2], 4)
    assert (each, begun) == (2.0, 1.0)
    assert expected_epochs([0, 0], [], 5) == (0.0, 0.0)
    # Of a study that was resumed with fewer epochs.
    assert expected_epochs([9], [8], 4) == (4.0, 0.0)


def test_the_time_left_does_not_jump_when_the_first_trials_are_stopped() -> None:
    """As trials are stopped early, the estimate of the remaining time falls step by step from its upper bound."""
    budget, estimates = Budget(trials=40, epochs=16), []
    for stopped in range(9):
        live = [2] * (12 - stopped)
        estimates.append(seconds_left(budget, rate=1.0, ended=[1] * stopped, live=live, limit=40, seconds=0.0))
    steps = [before - after for before, after in pairwise(estimates)]
    assert estimates[0] == 12 * 14 + 28 * 16
    assert all(0 < step < estimates[0] / 8 for step in steps)


def test_the_time_left_is_bounded_by_the_budget() -> None:
    """The remaining time is at most what the budgets of epochs and of seconds leave, and never negative."""
    known = {"ended": [4], "live": [2], "limit": 4, "seconds": 5.0}
    left = partial(seconds_left, **known)
    assert left(Budget(trials=4, epochs=4), rate=2.0) == (2 + 2 * 4) / 2
    assert left(Budget(trials=4, epochs=4), rate=2.0, waited=1.5) == (2 + 2 * 4) / 2 - 1.5
    assert left(Budget(trials=4, epochs=4, total_epochs=8), rate=2.0) == (8 - 6) / 2
    assert left(Budget(trials=4, epochs=4, total_epochs=8), rate=2.0, waited=0.5) == (8 - 6) / 2 - 0.5
    assert left(Budget(trials=4, epochs=4, seconds=6), rate=2.0) == 1.0
    assert left(Budget(trials=4, epochs=4, seconds=3), rate=2.0) == 0.0
    assert left(Budget(trials=4, epochs=4), rate=None) is None


def test_trials_beyond_a_lowered_limit_still_end() -> None:
    """Where a study has more trials than its limit allows by now, the live ones still take their time."""
    known = {"ended": [4, 4], "live": [2], "seconds": 5.0}
    assert seconds_left(Budget(trials=1, epochs=4), rate=2.0, limit=1, **known) == 1.0
