"""Gradient descent on Beale's function."""

from itertools import islice

import numpy as np

from tune_jobs.beale import descend


def test_a_good_config_arrives_and_a_bad_one_does_not() -> None:
    """Descent with a fitting rate ends at the minimum; a tiny rate stays near the start, and a huge one diverges."""
    distances = {}
    for lr in (1e-4, 0.02, 1.0):
        *_, last = islice(descend({"lr": lr, "momentum": 0.9}), 32)
        distances[lr] = last["distance"]
    assert distances[0.02] < 1e-6
    assert min(distances[1e-4], distances[1.0]) > 0.5


def test_a_pace_beyond_the_walls_stays_within_the_bounds() -> None:
    """A step of any size gives a value within the bounds."""
    for epoch in islice(descend({"lr": 50.0, "momentum": 0.9}), 5):
        assert max(abs(epoch["x"]), abs(epoch["y"])) <= 4.5
        assert np.isfinite(epoch["value"])
