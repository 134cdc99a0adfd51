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
