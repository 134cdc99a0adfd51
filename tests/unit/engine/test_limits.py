"""When a study ends before all its trials are drawn."""

from typing import Any

import pytest

from pipeline.engine.limits import common_failure, exhausted_budget, expected_epochs, seconds_left
from pipeline.engine.trial import BestEpoch, Trial
from pipeline.study import Budget, Objective
from tests.unit.engine.play import job


@pytest.mark.parametrize(
    ("budget", "mode", "reached", "words"),
    [
        ({}, "max", {"seconds": 1e9, "epochs": 10**6, "best": 1.0}, None),
        ({"seconds": 10}, "max", {"seconds": 9.9}, None),
        ({"seconds": 10}, "max", {"seconds": 10.0}, "The study's budget of 10 seconds is spent."),
        ({"total_epochs": 20}, "max", {"epochs": 19}, None),
        ({"total_epochs": 20}, "max", {"epochs": 20}, "The study's budget of 20 epochs is spent."),
        ({"target": 0.5}, "max", {"best": None}, None),
        ({"target": 0.5}, "max", {"best": 0.4}, None),
        ({"target": 0.5}, "max", {"best": 0.5}, "The target of 0.5 is reached: 0.5."),
        ({"target": 0.5}, "min", {"best": 0.6}, None),
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
        ("", False),
        ("aa", False),
        ("aaa", True),
        ("AaA", True),
        ("aab", False),
        ("a-a", False),
        ("-aaa", False),
        ("aaa-", True),
        ("aaa+", False),
        ("aaab", True),
        ("aaaB", False),
        ("aaaA", True),
        ("+aaa", False),
    ],
)
def test_the_first_trials_with_the_same_error_end_a_study(ends: str, fails: bool) -> None:
    words = "The first 3 trials failed with the same error: ValueError: a" if fails else None
    assert common_failure(job(), _trials(*ends)) == words


def test_errors_that_differ_in_numbers_are_the_same() -> None:
    trials = _trials("a", "a", "a")
    for trial, text in zip(trials, ("{'lr': 0.018}", "{'lr': 1.2e-05}", "{'lr': 3}"), strict=True):
        trial.error = f"ValueError: Argument(s) not recognized: {text}"
    assert "{'lr': 0.018}" in (common_failure(job(), trials) or "")


def test_configs_that_an_objective_gives_up_do_not_end_a_study() -> None:
    trials = _trials("a", "a", "a")
    for trial in trials:
        trial.error = "TrialPruned: diverges"
    assert common_failure(job(), trials) is None


@pytest.mark.parametrize(
    ("ended", "live", "maximum", "expected"),
    [
        ([], [], 10, (10, 0)), ([], [0, 4, 10], 10, (10, 16)), ([10, 10], [3], 10, (10, 7)),
        ([1, 1], [2, 3], 5, (3, 5)), ([1, 1, 3], [2], 4, (2, 1)), ([0, 0], [], 5, (0, 0)), ([9], [8], 4, (4, 0)),
        ([10**6], [0], 10**12, (10**6, 10**6)),
    ],
)  # fmt: skip
def test_trials_are_expected_to_train_as_far_as_those_before(
    ended: list[int], live: list[int], maximum: int, expected: tuple[float, float]
) -> None:
    assert expected_epochs(ended, live, maximum) == expected


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
