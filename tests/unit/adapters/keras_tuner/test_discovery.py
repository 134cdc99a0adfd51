"""Hyperparameters of all branches are found by running code repeatedly."""

import pytest

from pipeline.adapters.keras_tuner.discovery import discover_hyperparameters
from pipeline.adapters.keras_tuner.hyperparameters import HyperParameters


def test_branches_within_branches_are_found() -> None:
    """Exploration finds hyperparameters in nested branches by trying each choice and both ends of each range."""

    def run(hp: HyperParameters) -> None:
        if hp.Choice("kind", ["a", "b", "c"]) == "c" and hp.Boolean("deep"):
            for number in range(hp.Int("count", 1, 20)):
                hp.Float(f"rate_{number}", 0, 1)
        hp.Float("last", 0, 1)

    names = [one.name for one in discover_hyperparameters(run)]
    assert names == ["kind", "last", "deep", "count", *(f"rate_{number}" for number in range(20))]


def test_errors_of_other_values_are_left_to_the_trials() -> None:
    """Exploration raises an error of the default values, and keeps what it found before an error of other values."""

    def run(hp: HyperParameters) -> None:
        if hp.Boolean("fails"):
            hp.Int("found", 1, 2)
            raise ValueError("no such model")

    assert [one.name for one in discover_hyperparameters(run)] == ["fails", "found"]

    def fails(hp: HyperParameters) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        discover_hyperparameters(fails)


def test_a_value_is_tried_in_the_branch_that_asks_for_it() -> None:
    """Exploration tries a hidden hyperparameter's value again in the branch that asks for that hyperparameter."""

    def run(hp: HyperParameters) -> None:
        if hp.Choice("kind", ["a", "b"]) == "a":
            for number in range(hp.Int("depth", 1, 2)):
                hp.Float(f"rate_{number}", 0, 1)

    assert [one.name for one in discover_hyperparameters(run)] == ["kind", "depth", "rate_0", "rate_1"]
