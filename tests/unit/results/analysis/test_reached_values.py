"""The values that trials reached at each epoch."""

from pathlib import Path

import numpy as np

from pipeline.results.analysis.reached_values import ReachedValues, reached_values
from tests.unit.results.small_studies import by_epoch_study


def test_values_are_those_of_the_curves(tmp_path: Path) -> None:
    """The values of an epoch, the best ones and whole curves are those that the trials recorded."""
    reached = reached_values(by_epoch_study(tmp_path, [[0.3, 0.2, 0.5], [0.4], [0.1, 0.6, 0.2]], epochs=3))
    assert reached.last == 3
    np.testing.assert_array_equal(reached.at(2), [0.2, np.nan, 0.6])
    np.testing.assert_array_equal(reached.best(1.0), [0.5, 0.4, 0.6])
    np.testing.assert_array_equal(reached.best(-1.0), [-0.2, -0.4, -0.1])
    np.testing.assert_array_equal(reached.curves(np.array([2, 1])), [[0.1, 0.6, 0.2], [0.4, np.nan, np.nan]])


def test_a_long_trial_among_many_takes_no_matrix_of_all() -> None:
    """A million trials, one of which has a million epochs, take memory for their values only."""
    count = 10**6
    reached = ReachedValues(count, np.array([0, count - 1]), np.array([1, count]), np.array([0.5, 0.25]))
    assert reached.last == count
    assert np.flatnonzero(np.isfinite(reached.at(count))).tolist() == [count - 1]
    assert np.flatnonzero(np.isfinite(reached.best(1.0))).tolist() == [0, count - 1]
    assert reached.curves(np.array([count - 1])).shape == (1, count)


def test_values_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    """In a study whose only value is NaN no epoch was reached, and the last one is 0."""
    reached = reached_values(by_epoch_study(tmp_path, [[float("nan")]], epochs=1))
    assert reached.last == 0
    assert np.isnan(reached.at(1)).all()
