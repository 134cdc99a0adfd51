"""The metrics that a function yields."""

from typing import Any

import pytest

from pipeline.errors import ModelError
from pipeline.training.yielded_metrics import YieldedMetrics


def test_metrics_are_numbers_by_name() -> None:
    """Numbers of any type are floats, and names are text."""
    assert YieldedMetrics("f").numbers({"a": 1, 2: 0.5, "c": True}, 1) == {"a": 1.0, "2": 0.5, "c": 1.0}


@pytest.mark.parametrize(
    ("yielded", "message"),
    [
        (3.0, r"The function f yielded float 3\.0 at step 4; a dict of metric names and numbers is allowed\."),
        ({}, "a dict of metric names and numbers"),
        ({"y": "high"}, "yielded y as text, 'high', at step 4; a metric must be a number"),
        ({1: 0.5, "1": 0.5}, "yielded a metric with the name '1' at step 4; each metric needs its own name"),
    ],
)
def test_other_values_are_refused_with_their_step(yielded: Any, message: str) -> None:
    """What is no dict of numbers is refused with the function, the value and the step."""
    with pytest.raises(ModelError, match=message):
        YieldedMetrics("f").numbers(yielded, 4)
