"""Domains of real numbers."""

import numpy as np
import pytest

from pipeline.space import LogUniform, Normal, Uniform


def test_log_uniform_favours_no_magnitude() -> None:
    """Half of the draws from a log-uniform [0.01, 100) are below 1."""
    rng = np.random.default_rng(0)
    low = sum(LogUniform(0.01, 100).draw(rng) < 1 for _ in range(2000))
    assert 900 < low < 1100


def test_a_fraction_and_a_value_convert_to_each_other() -> None:
    """The ends of [0, 1] convert to those of an interval; the high end itself is never drawn."""
    for domain in (Uniform(2, 4), LogUniform(0.1, 10)):
        assert domain.from_unit(0.0) == pytest.approx(domain.low)
        assert domain.contains(domain.from_unit(1.0))
        assert domain.from_unit(domain.to_unit(3.0)) == pytest.approx(3.0)
    assert Normal(5, 2).from_unit(0.5) == pytest.approx(5)


@pytest.mark.parametrize("domain", [Uniform(0.5, 2.0), LogUniform(0.5, 2.0)])
def test_a_value_outside_of_the_range_is_not_contained(domain: Uniform | LogUniform) -> None:
    """A range contains its two ends and what is between them, and no other number, text or truth value."""
    assert [domain.contains(value) for value in (0.5, 1, 2.0)] == [True] * 3
    assert [domain.contains(value) for value in (0.49, 2.01, -1.0, "1", True, None)] == [False] * 6
