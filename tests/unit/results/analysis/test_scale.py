"""Which axes are logarithmic."""

from typing import Any

import pytest

from pipeline.results.analysis.scale import is_log, spans_decades
from pipeline.space import Choice, IntUniform, LogUniform, Normal, Uniform


@pytest.mark.parametrize(
    ("domain", "log"),
    [
        (LogUniform(0.1, 0.2), True),
        (IntUniform(1, 8, log=True), True),
        (Uniform(1e-4, 1.0), True),
        (IntUniform(1, 1000), True),
        (Uniform(0.01, 1.0), False),
        (Uniform(0.0, 1.0), False),
        (Uniform(-10.0, 1000.0), False),
        (Normal(3.01, 1.0), False),
        (Choice((0.0001, 1.0)), False),
        (0.5, False),
    ],
)
def test_the_axis_of_a_parameter_follows_its_domain(domain: Any, log: bool) -> None:
    """A parameter's axis is logarithmic if its domain is, or if its bounds span more than two decades."""
    assert is_log(domain) is log


@pytest.mark.parametrize(("low", "high", "log"), [(1, 101, True), (1, 100, False), (0, 1e9, False), (-1, 1e9, False)])
def test_more_than_two_decades_are_logarithmic(low: float, high: float, log: bool) -> None:
    """Bounds call for a logarithmic axis if they are positive and span more than two decades."""
    assert spans_decades(low, high) is log
