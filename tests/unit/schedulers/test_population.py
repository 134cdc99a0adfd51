"""Population based training."""

from typing import Any

import numpy as np
import pytest

from pipeline.schedulers import PBT, Decision, Scheduler, SchedulerContext
from pipeline.space import LogUniform
from tests.unit.schedulers.learning_curves import milestones_of

SPACE = {"lr": LogUniform(1e-4, 1), "layers": 2}


def population(settings: PBT, trials: int, *, mode: Any = "max") -> Scheduler:
    scheduler = settings.build(SchedulerContext(SPACE, mode, 8, trials, 0))
    for i in range(trials):
        scheduler.add(f"{i:04d}", {"lr": 0.01 * (i + 1), "layers": 2})
    return scheduler


def report(scheduler: Scheduler, trial: str, epoch: int, value: float) -> Decision:
    scheduler.start(trial)
    return scheduler.on_result(trial, epoch, value)


def test_a_donor_s_checkpoint_is_needed_until_the_receiver_has_its_own() -> None:
    scheduler = population(PBT(), 2)
    report(scheduler, "0001", 1, 0.9)
    assert report(scheduler, "0000", 1, 0.1).parent_trial == "0001"
    report(scheduler, "0001", 2, 0.95)
    assert scheduler.needed_checkpoints() == {("0001", 1), ("0001", 2)}
    scheduler.end("0001")
    assert scheduler.needed_checkpoints() == {("0001", 1)}
    report(scheduler, "0000", 2, 0.97)
    assert scheduler.needed_checkpoints() == {("0000", 2)}
    scheduler.end("0000")
    assert scheduler.needed_checkpoints() == set()


@pytest.mark.parametrize("mode", ["max", "min"])
@pytest.mark.parametrize("quantile", [0, 0.1, 0.25, 0.5])
def test_trials_of_the_lower_quantile_copy_one_of_the_upper(quantile: float, mode: str) -> None:
    sign = 1 if mode == "max" else -1
    scheduler = population(PBT(quantile=quantile), 6, mode=mode)
    decisions = [report(scheduler, f"{i:04d}", 1, sign * (i + 1.0)) for i in reversed(range(6))]
    # The best come first, so each is the worst so far; of few trials, at most half are replaced.
    exploits = {i: each for i, each in zip(reversed(range(6)), decisions, strict=True) if each.action == "exploit"}
    assert len(exploits) == (5 if quantile else 0)
    for i, decision in exploits.items():
        count = 6 - i
        upper = min(int(np.ceil(count * quantile)), count // 2)
        assert int(decision.parent_trial) >= 6 - upper
        assert decision.cutoff == sign * (i + 1.0 + upper)


@pytest.mark.parametrize(("settings", "milestones"), [
    (PBT(), list(range(1, 12))),
    (PBT(interval=3), [3, 6, 9, 11]),
    (PBT(interval=2, grace_period=5), [5, 7, 9, 11]),
    (PBT(interval=4, grace_period=2), [4, 8, 11]),
])  # fmt: skip
def test_milestones_follow_the_grace_period_at_equal_distances(settings: PBT, milestones: list[int]) -> None:
    assert milestones_of(settings, 11) == milestones


def test_names_that_the_space_lacks_are_faults() -> None:
    assert PBT(explore=["lr", "layers"]).space_faults(SPACE) == []
    assert [fault.field for fault in PBT(explore=["lr", "layer"]).space_faults(SPACE)] == ["scheduler.explore"]
