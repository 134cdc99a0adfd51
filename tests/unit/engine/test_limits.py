"""When a study ends before all its trials are drawn."""

from typing import Any

import pytest

from pipeline.engine.limits import common_failure, exhausted_budget, seconds_left
from pipeline.engine.trial import BestEpoch, Trial
from pipeline.study import Budget, Objective
from tests.unit.engine.play import job


@pytest.mark.parametrize(
    ("budget", "mode", "reached", "words"),
    [
        ({"seconds": 10}, "max", {"seconds": 9.9}, None),
        ({"seconds": 10}, "max", {"seconds": 10.0}, "The study's budget of 10 seconds is spent."),
        ({"total_epochs": 20}, "max", {"epochs": 19}, None),
        ({"total_epochs": 20}, "max", {"epochs": 20}, "The study's budget of 20 epochs is spent."),
        ({"target": 0.5}, "max", {"best": 0.4}, None),
        ({"target": 0.5}, "max", {"best": 0.5}, "The target of 0.5 is reached: 0.5."),
        ({"target": 0.5}, "min", {"best": 0.25}, "The target of 0.5 is reached: 0.25."),
    ],
)
def test_a_limit_is_named_when_it_is_reached(
    budget: dict[str, Any], mode: Any, reached: dict[str, Any], words: str | None
) -> None:
    tuned = job(budget=Budget(**budget), objectives=[Objective("score", mode)])
    value = reached.get("best")
    best = None if value is None else BestEpoch(value, 1)
    assert exhausted_budget(tuned, **{"seconds": 0.0, "epochs": 0, **reached, "best": best}) == words


def test_a_trial_beyond_the_bounds_reaches_no_target() -> None:
    tuned = job(budget=Budget(target=0.5))
    best = BestEpoch(0.9, 1, violation=0.1)
    assert exhausted_budget(tuned, seconds=0.0, epochs=1, best=best) is None


def _trials(*ends: str) -> list[Trial]:
    found = []
    for number, end in enumerate(ends):
        trial = Trial(f"{number:04d}", {"x": 0.5}, state="running", epoch=int(end == "+" or end.isupper()))
        if end.isalpha():
            trial.state, trial.error = "failed", f"ValueError: {end.lower()}"
        found.append(trial)
    return found


@pytest.mark.parametrize(
    ("ends", "fails"),
    [
        ("aa", False),
        ("aaa", True),
        ("aab", False),
        ("a-a", False),
        ("aaa-", True),
        ("aaa+", False),
        ("aaaB", False),
        ("aaaA", True),
        ("+aaa", False),
    ],
)
def test_the_first_trials_with_the_same_error_end_a_study(ends: str, fails: bool) -> None:
    words = "The first 3 trials failed with the same error: ValueError: a" if fails else None
    assert common_failure(job(), _trials(*ends)) == words


@pytest.mark.parametrize(
    ("budget", "more", "expected"),
    [
        ({}, {"rate": 2.0}, 5), ({"total_epochs": 8}, {"rate": 2.0}, 1),
        ({"seconds": 6}, {"rate": 2.0}, 1), ({"seconds": 3}, {"rate": 2.0}, 0), ({}, {"rate": None}, None),
    ],
)  # fmt: skip
def test_the_time_left_is_bounded_by_the_budget(
    budget: dict[str, int], more: dict[str, float | None], expected: float | None
) -> None:
    known = {"ended": [4], "live": [2], "limit": 4, "seconds": 5.0}
    assert seconds_left(Budget(trials=4, epochs=4, **budget), **known, **more) == expected  # type: ignore[arg-type]
