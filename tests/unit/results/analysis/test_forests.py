"""Forests of trials, and of resampled ones."""

import numpy as np
import pytest

from pipeline.results.analysis.forests import MAX_AXES, fit_here, forests


def test_forests_of_resampled_trials_say_how_certain_the_first_is() -> None:
    """Where a forest predicts enough, 20 more are fitted, and R² lies in its interval."""
    units = np.random.default_rng(0).random((60, 2))
    found = forests(units, units[:, 0], 2)
    assert (len(found.again), len(found.r_squared_again)) == (20, 20)
    assert 0.5 < found.low <= found.r_squared <= found.high <= 1


def test_a_forest_that_predicts_nothing_is_fitted_once() -> None:
    """Where a forest predicts too little to exclude chance, no other one is fitted."""
    rng = np.random.default_rng(0)
    found = forests(rng.random((60, 2)), rng.normal(size=60), 2)
    assert (found.again, found.r_squared_again) == ((), ())
    assert found.low <= found.r_squared <= found.high


@pytest.mark.long
def test_chance_is_rarely_taken_for_an_effect() -> None:
    """Of 20 studies of 16 trials in which no parameter has an effect, at most one reports an effect."""
    drawn = [np.random.default_rng(seed) for seed in range(20)]
    found = fit_here([(rng.random((16, 3)), rng.normal(size=16), 3) for rng in drawn])()
    assert sum(bool(one.again) for one in found) <= 1


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_r_squared_does_not_depend_on_the_unit(scale: float) -> None:
    """R² is the same for objectives of any size."""
    units = np.random.default_rng(0).random((40, 1))
    values = units[:, 0]
    assert forests(units, scale * values, 1).r_squared == pytest.approx(forests(units, values, 1).r_squared)


def test_a_trial_is_predicted_without_a_part_in_the_choice_of_axes() -> None:
    """Of 300 axes without an effect, those that fit the values by chance do not seem to predict anything."""
    drawn = [np.random.default_rng(seed) for seed in range(3)]
    found = fit_here([(rng.random((60, 300)), rng.normal(size=60), 300) for rng in drawn])()
    assert [one.again for one in found] == [(), (), ()]
    assert max(one.r_squared for one in found) < 0.1


@pytest.mark.long
def test_chance_among_hundreds_of_axes_is_rarely_taken_for_an_effect() -> None:
    """Of 40 studies of 100 trials in which none of 400 parameters has an effect, at most two report an effect."""
    drawn = [np.random.default_rng(seed) for seed in range(40)]
    found = fit_here([(rng.random((100, 400)), rng.normal(size=100), 400) for rng in drawn])()
    assert sum(bool(one.again) for one in found) <= 2


def test_the_axes_of_a_forest_are_among_those_of_the_sample() -> None:
    """Of more axes than a forest has, it has the most influential ones, by their numbers in the sample."""
    units = np.random.default_rng(0).random((120, 50))
    found = forests(units, units[:, 33], 50)
    assert len(found.axes) == MAX_AXES == found.whole.low.shape[1] == found.again[0].low.shape[1]
    assert 33 in found.axes
    assert found.r_squared > 0.8
