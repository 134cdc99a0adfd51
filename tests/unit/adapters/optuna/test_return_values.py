"""Objectives that return another value than those that they report."""

from typing import Any

import numpy as np
import pytest

from pipeline.adapters.optuna.return_values import other_return


def same(trial: Any) -> Any:
    """Returns what it reports."""
    for step in range(3):
        value = step / 2
        trial.report(float(value), step)
    return value


def assigned(trial: Any) -> Any:
    """Returns an expression that it reports under a name."""
    scores: list[float] = []
    for step in range(3):
        mean = np.mean(scores)
        trial.report(mean, step)
    return np.mean(scores)


def silent(trial: Any) -> Any:
    """Reports nothing."""
    return trial.number


def other(trial: Any) -> Any:
    """Returns the best of its values."""
    best = 0.0

    def inner() -> int:
        return 3

    for step in range(inner()):
        trial.report(step / 2, step)
        best = max(best, step / 2)
    return best


@pytest.mark.parametrize("function", [same, assigned, silent, len, lambda trial: trial.report(1, 2)])
def test_a_value_that_is_reported_is_no_other(function: Any) -> None:
    """An objective that returns a value of its reports, or that itself reports nothing, has no such line."""
    assert other_return(function) is None


def test_another_value_has_a_line() -> None:
    """An objective that returns another value than it reports has the line of that return."""
    assert other_return(other) == other.__code__.co_firstlineno + 10
