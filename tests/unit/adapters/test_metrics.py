"""Metrics from what programs report."""

import numpy as np

from pipeline.adapters.metrics import flat, numeric


def test_only_numbers_are_metrics() -> None:
    """Of the values that a program reports, numbers including NumPy's are metrics and other values are left out."""
    assert numeric({"a": 1, "b": np.float32(0.5), "c": "text", 4: 2.0, "d": [1, 2]}) == {"a": 1.0, "b": 0.5, "4": 2.0}


def test_metrics_in_dicts_have_the_names_of_ray_tune() -> None:
    """A metric in a dict has the dict's name and a slash before its own."""
    assert flat({"a": 1, "eval": {"acc": 0.5, "top": {"5": 2}}, "none": {}}) == {
        "a": 1,
        "eval/acc": 0.5,
        "eval/top/5": 2,
    }
