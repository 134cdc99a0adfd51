"""Beale's function and the walk down it."""

from itertools import islice

import numpy as np
import pytest

from tune_jobs.beale import BOUND, MINIMUM, START, beale, descend, gradient


def test_the_minimum_is_where_it_is_known_to_be() -> None:
    """The function is 0 and flat at (3, 0.5), and above 0 everywhere else on the tutorial's grid."""
    assert beale(*MINIMUM) == 0
    assert gradient(*MINIMUM).tolist() == [0, 0]
    grid = np.arange(-BOUND, BOUND + 0.1, 0.9)
    assert min(beale(x, y) for x in grid for y in grid) > 0


@pytest.mark.parametrize("place", [START, (0.0, 0.0), (-3.0, 2.0), (1.7, -0.4)])
def test_the_gradient_is_the_functions(place: tuple[float, float]) -> None:
    """It agrees with central differences."""
    x, y = place
    step = 1e-6
    slopes = [
        (beale(x + step, y) - beale(x - step, y)) / (2 * step),
        (beale(x, y + step) - beale(x, y - step)) / (2 * step),
    ]
    np.testing.assert_allclose(gradient(x, y), slopes, rtol=1e-5, atol=1e-5)


def test_a_good_config_arrives_and_a_bad_one_does_not() -> None:
    """With a fitting rate the walk ends at the minimum; a tiny one hardly leaves the start, a huge one is lost."""
    distances = {}
    for lr in (1e-4, 0.02, 1.0):
        *_, last = islice(descend({"lr": lr, "momentum": 0.9}), 32)
        distances[lr] = last["distance"]
    assert distances[0.02] < 1e-6
    assert min(distances[1e-4], distances[1.0]) > 0.5


def test_a_pace_beyond_the_walls_stays_within_the_bounds() -> None:
    """However large the steps, the value is one the function takes within the bounds."""
    for epoch in islice(descend({"lr": 50.0, "momentum": 0.9}), 5):
        assert epoch["distance"] <= np.hypot(BOUND + MINIMUM[0], BOUND + MINIMUM[1])
        assert np.isfinite(epoch["value"])
