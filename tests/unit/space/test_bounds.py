"""Intervals of numbers."""

import pytest

from pipeline.space.bounds import clipped, faults_of_bounds, is_real, within


def test_values_are_moved_into_an_interval() -> None:
    """The high end is excluded; a fraction is from 0 to 1."""
    assert within(-1.0, 0.0, 2.0) == 0.0
    assert 1.9 < within(5.0, 0.0, 2.0) < 2.0
    assert [clipped(unit) for unit in (-1, 0.5, 3)] == [0.0, 0.5, 1.0]


def test_a_truth_value_is_not_a_number() -> None:
    """Python counts it as an integer."""
    assert is_real(1)
    assert not is_real(True)


@pytest.mark.parametrize("ends", [(1.0, 1.0), (2.0, 1.0), (0.0, float("inf")), (float("nan"), 1.0)])
def test_ends_that_are_no_interval_are_a_fault(ends: tuple[float, float]) -> None:
    """The low end must be below the high one, and both finite."""
    assert faults_of_bounds(*ends)
    assert not faults_of_bounds(0.0, 1.0)
