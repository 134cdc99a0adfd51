"""Intervals of numbers."""

import pytest

from pipeline.space.bounds import clamp, clip_unit, faults_of_bounds, is_real


def test_values_are_moved_into_an_interval() -> None:
    """A value is moved into an interval without its high end, and a fraction into [0, 1]."""
    assert clamp(-1.0, 0.0, 2.0) == 0.0
    assert 1.9 < clamp(5.0, 0.0, 2.0) < 2.0
    assert [clip_unit(unit) for unit in (-1, 0.5, 3)] == [0.0, 0.5, 1.0]


def test_a_boolean_is_not_a_number() -> None:
    """A boolean does not count as a number, although it is an integer in Python."""
    assert is_real(1)
    assert not is_real(True)


@pytest.mark.parametrize("ends", [(1.0, 1.0), (2.0, 1.0), (0.0, float("inf")), (float("nan"), 1.0)])
def test_ends_that_are_no_interval_are_a_fault(ends: tuple[float, float]) -> None:
    """An interval whose ends are not finite, or whose low end is not below the high one, is a fault."""
    assert faults_of_bounds(*ends)
    assert not faults_of_bounds(0.0, 1.0)
