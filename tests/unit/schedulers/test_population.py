"""Populations: PBT and PB2."""

from typing import Any

import numpy as np
import pytest

from pipeline.schedulers import PB2, PBT, Decision, Scheduler, SchedulerContext
from pipeline.space import Choice, IntUniform, LogUniform, Space, fits

SPACE = {"lr": LogUniform(1e-4, 1), "layers": 2}


def population(
    settings: PBT, trials: int, *, added: int | None = None, mode: Any = "max", epochs: int = 8
) -> Scheduler:
    scheduler = settings.build(SchedulerContext(SPACE, mode, epochs, trials, 0))
    for i in range(trials if added is None else added):
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


_WIDTHS: Space = {"lr": LogUniform(1e-4, 1), "width": IntUniform(4, 64), "act": Choice(["relu", "tanh"]), "fixed": 2}


@pytest.mark.parametrize("kind", [PBT, PB2])
def test_hyperparameters_that_are_not_explored_are_the_donor_s(kind: Any) -> None:
    scheduler = kind(explore=["lr"]).build(SchedulerContext(_WIDTHS, "max", 100, 6, 0))
    for i in range(6):
        act = ("relu", "tanh")[i % 2]
        scheduler.add(f"{i:04d}", {"lr": 0.01 * (i + 1), "width": 4 + i, "act": act, "fixed": 2})
    decisions = [
        report(scheduler, f"{i:04d}", epoch, float(i * epoch)) for epoch in range(1, 8) for i in (5, 4, 3, 2, 1, 0)
    ]
    exploits = [decision for decision in decisions if decision.action == "exploit"]
    assert len(exploits) > 5
    for exploit in exploits:
        assert fits(_WIDTHS, exploit.config)
        assert exploit.config | {"lr": 0} == exploit.parent_config | {"lr": 0}
        assert "width" not in exploit.explored
    assert len({exploit.config["lr"] for exploit in exploits}) > 3


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


def test_a_gain_after_an_exploit_counts_from_the_donor() -> None:
    scheduler = population(PB2(), 2)
    for trial, epoch, value in [("0001", 1, 0.9), ("0000", 1, 0.1)]:
        scheduler.start(trial)
        decision = scheduler.on_result(trial, epoch, value)
    assert decision.parent_trial == "0001"
    scheduler.start("0000")
    scheduler.on_result("0000", 3, 1.1)
    (epoch, before, config, gain) = scheduler.state()["gains"][-1]
    assert (epoch, before, config) == (3, 0.9, decision.config)
    assert gain == pytest.approx(0.1)


@pytest.mark.parametrize("kind", [PBT, PB2])
def test_names_that_the_space_lacks_are_faults(kind: Any) -> None:
    assert kind(explore=["lr", "layers"]).space_faults(SPACE) == []
    assert [fault.field for fault in kind(explore=["lr", "layer"]).space_faults(SPACE)] == ["scheduler.explore"]
