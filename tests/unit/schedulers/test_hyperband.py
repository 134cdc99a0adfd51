"""Hyperband: trials that start together are halved together."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from pipeline.schedulers import Hyperband, Scheduler, SchedulerContext
from tests.scheduler_play import Curve
from tests.unit.schedulers.learning_curves import curves, milestones_of, played


def _built() -> Scheduler:
    scheduler = Hyperband(reduction_factor=2).build(SchedulerContext({}, "max", 4, 4, 0))
    for i in range(4):
        scheduler.add(f"{i:04d}", {})
    return scheduler


def _reports(scheduler: Scheduler, epoch: int, values: Sequence[float]) -> None:
    for i, value in enumerate(values):
        scheduler.start(f"{i:04d}")
        assert scheduler.on_result(f"{i:04d}", epoch, value).action == "pause"


def _ids(*numbers: int) -> list[str]:
    return [f"{i:04d}" for i in numbers]


def _reference(found: Sequence[Curve], eta: int, maximum: int) -> dict[str, int]:
    reached, rest = {}, list(range(len(found)))
    highest = max(s for s in range(10) if eta**s <= maximum)
    while rest:
        for s in reversed(range(highest + 1)):
            n = math.ceil((highest + 1) / (s + 1) * eta**s)
            alive, rest = rest[:n], rest[n:]
            for i in range(s + 1):
                epochs = math.floor(maximum / eta ** (s - i) + 0.5)
                reached |= {f"{trial:04d}": epochs for trial in alive}
                ranked = sorted(alive, key=lambda trial: -found[trial](epochs))
                alive = ranked[: max(1, math.floor(len(alive) / eta))]
    return reached


@given(
    trials=st.integers(1, 60),
    seed=st.integers(0, 10_000),
    eta=st.sampled_from([2, 3, 4]),
    maximum=st.integers(1, 70),
    mode=st.sampled_from(["max", "min"]),
)
def test_halves_as_the_paper_does(trials: int, seed: int, eta: int, maximum: int, mode: str) -> None:
    found = curves(trials, seed)
    assert played(Hyperband(reduction_factor=eta), found, maximum, mode).epochs == _reference(found, eta, maximum)


def test_trials_that_a_smaller_budget_ended_are_candidates_again() -> None:
    scheduler = _built()
    _reports(scheduler, 1, [0.1, 0.2])
    for trial in _ids(0, 1, 2, 3):
        scheduler.end(trial)
    assert scheduler.choose(_ids(0, 1, 2, 3)).trial_id == "0002"
    assert scheduler.trials_to_stop(_ids(0, 1, 3), exhausted=False) == {}


@pytest.mark.parametrize(("value", "action"), [(0.95, "continue"), (0.8, "continue"), (0.5, "stop")])
def test_a_late_trial_needs_the_cutoff_of_its_rung(value: float, action: str) -> None:
    scheduler = _built()
    _reports(scheduler, 1, [0.1, 0.9, 0.8])
    scheduler.end("0003")
    assert scheduler.choose(_ids(0, 1, 2)).trial_id == "0001"
    scheduler.choose(_ids(0, 2, 3))
    scheduler.start("0003")
    decision = scheduler.on_result("0003", 1, value)
    assert (decision.action, decision.cutoff) == (action, 0.8)


@pytest.mark.parametrize(("settings", "epochs", "milestones"), [
    (Hyperband(), 32, [1, 4, 11, 32]),
    (Hyperband(), 81, [1, 3, 9, 27, 81]),
    (Hyperband(), 2, [2]),
    (Hyperband(reduction_factor=1.5), 6, [1, 2, 3, 4, 6]),
    (Hyperband(max_epochs=32), 100, [1, 4, 11, 32, 96, 100]),
    (Hyperband(max_epochs=32), 10, [1, 4, 10]),
])  # fmt: skip
def test_rungs_come_from_the_maximum_down(settings: Hyperband, epochs: int, milestones: list[int]) -> None:
    assert milestones_of(settings, epochs) == milestones
