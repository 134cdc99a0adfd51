"""Metrics from what programs report."""

import numpy as np

from pipeline.adapters.metrics import numeric


def test_only_numbers_are_metrics() -> None:
    """Of the values that a program reports, numbers including NumPy's are metrics and other values are left out."""
    assert numeric({"a": 1, "b": np.float32(0.5), "c": "text", 4: 2.0, "d": [1, 2]}) == {"a": 1.0, "b": 0.5, "4": 2.0}
