"""The ranges of KerasTuner's Int and Float."""

from typing import Any

import pytest

from pipeline.adapters.keras_tuner.ranges import number_domain
from pipeline.space import Choice, IntUniform, LogUniform, QUniform


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (number_domain(int, 2, 16, None, "log"), IntUniform(2, 16, log=True)),
        (number_domain(int, 2, 16, 2, "log"), Choice((2, 4, 8, 16))),
        (number_domain(int, 2, 16, 7, None), IntUniform(2, 16, step=7)),
        (number_domain(int, 2, 8, 7, "linear"), 2),
        (number_domain(float, 0.1, 1.0, None, "log"), LogUniform(0.1, 1.0)),
        (number_domain(float, 1.0, 1000.0, 10.0, "log"), Choice((1.0, 10.0, 100.0, 1000.0))),
        (number_domain(float, 0.0, 1.0, 0.5, "linear"), QUniform(0.0, 1.0, 0.5)),
    ],
)
def test_a_range_has_steps_or_ratios(domain: Any, expected: Any) -> None:
    """The step of a range is a difference, or a ratio in logarithmic sampling; a range with one value is a constant."""
    assert domain == expected


@pytest.mark.parametrize("kind", [int, float])
def test_another_sampling_is_refused(kind: type[int] | type[float]) -> None:
    """A sampling that is neither linear nor logarithmic is refused with what is allowed."""
    with pytest.raises(ValueError, match="must be sampled linearly or logarithmically, not by 'reverse_log'"):
        number_domain(kind, 1, 2, None, "reverse_log")
