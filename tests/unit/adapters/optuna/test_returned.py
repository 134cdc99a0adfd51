"""Objectives that return another value than those that they report, or that prune themselves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.adapters import from_file
from pipeline.adapters.optuna.returned import other_return, prunes_itself


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


@pytest.mark.parametrize("target", ["objective", "lambda trial: objective(trial)"])
def test_a_helper_may_prune_any_number_of_trials(program: Callable[[str], str], target: str) -> None:
    """Trials that another function of the objective's module prunes by itself never end the study."""
    path = Path(program("op_quad.py"))
    path.write_text(
        "import optuna\n\n"
        "def check(value):\n"
        "    if value > 5:\n"
        "        raise optuna.TrialPruned('diverges')\n\n"
        "def objective(trial):\n"
        "    x = trial.suggest_float('x', 0, 10)\n"
        "    for step in range(3):\n"
        "        trial.report(x - step, step)\n"
        "        check(x)\n"
        "    return x\n\n"
        f"optuna.create_study().optimize({target}, n_trials=6)\n"
    )
    assert from_file(str(path), "optuna", {"name": "s"}).budget.max_failed_trials == 6


def test_a_pruner_that_decides_is_no_reason() -> None:
    """An objective that raises no TrialPruned, or only where should_prune is true, does not prune itself."""
    assert not prunes_itself(same)
    assert not prunes_itself(len)
