"""The order of trials."""

import math

from pipeline.study.ranking import ranking_key


def test_value_then_epoch_then_draw_then_failed() -> None:
    """Trials are ordered by value, then epoch, then number, with failed ones last."""
    trials = [
        ("0005", 0.9, 3, False),
        ("0004", 0.8, 1, False),
        ("0001", 0.8, 2, False),
        ("0002", 0.8, 2, False),
        ("0003", math.nan, None, False),
        ("0000", 0.99, 1, True),
        ("0006", None, None, True),
    ]
    keys = [ranking_key(trial, value, epoch, failed=failed, mode="max") for trial, value, epoch, failed in trials]
    assert sorted(keys) == keys


def test_less_is_better_with_the_mode_min() -> None:
    """In the mode min, a smaller value is better."""
    small, large = (ranking_key("0000", value, 1, failed=False, mode="min") for value in (0.1, 0.2))
    assert small < large
