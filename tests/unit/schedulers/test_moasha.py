"""Successive halving by several objectives."""

import json

import pytest

from pipeline.schedulers import MOASHA, ObjectiveValues, PromotingMOASHA, SchedulerContext

_TWO = (("score", "max"), ("parameters", "min"))


def _context(trials: int = 8) -> SchedulerContext:
    return SchedulerContext({}, "max", 4, trials, 0, _TWO)


def _values(score: float, parameters: float, violation: float = 0.0) -> ObjectiveValues:
    return ObjectiveValues((-score, parameters), violation)


def test_a_trial_that_none_dominates_continues() -> None:
    """A trial that is worse in the first objective continues if it is on the front, and a dominated one stops."""
    scheduler = MOASHA(grace_period=1, reduction_factor=2).build(_context())
    assert scheduler.on_objective_values("0000", 1, 0.9, _values(0.9, 1000)).action == "continue"
    assert scheduler.on_objective_values("0001", 1, 0.8, _values(0.8, 2000)).action == "stop"
    small = scheduler.on_objective_values("0002", 1, 0.5, _values(0.5, 10))
    assert small.action == "continue"
    assert "score 0.5, parameters 10 is number 2 of 3, on front 1, at rung 1" in small.reason


def test_a_trial_beyond_its_bounds_comes_last() -> None:
    """A trial beyond a bound is stopped, however good its values are, with the violation in the reason."""
    scheduler = MOASHA(grace_period=1, reduction_factor=2).build(_context())
    scheduler.on_objective_values("0000", 1, 0.5, _values(0.5, 100))
    beyond = scheduler.on_objective_values("0001", 1, 0.99, _values(0.99, 10, 0.5))
    assert (beyond.action, beyond.cutoff) == ("stop", None)
    assert "beyond its bounds by 0.5" in beyond.reason


def test_the_front_is_promoted_and_spread() -> None:
    """Of four trials the two ends of the front are promoted, in the order of the epsilon-net."""
    scheduler = PromotingMOASHA(grace_period=1, reduction_factor=2).build(_context(4))
    for number, (score, size) in enumerate([(0.5, 10), (0.7, 100), (0.69, 120), (0.9, 1000)]):
        scheduler.add(f"{number:04d}", {})
        scheduler.start(f"{number:04d}")
        assert scheduler.on_objective_values(f"{number:04d}", 1, score, _values(score, size)).action == "pause"
    waiting = [f"{number:04d}" for number in range(4)]
    chosen = scheduler.choose(waiting)
    assert chosen is not None
    assert (chosen.trial_id, chosen.rung, chosen.cutoff) == ("0003", 1, None)
    scheduler.start("0003")
    waiting.remove("0003")
    assert scheduler.choose(waiting).trial_id == "0000"


@pytest.mark.parametrize("settings", [MOASHA(), PromotingMOASHA()])
def test_objective_values_go_through_json(settings: MOASHA | PromotingMOASHA) -> None:
    """A scheduler restored from JSON decides about later objective values as it would without an interruption."""
    first, second = settings.build(_context()), settings.build(_context())
    for number in range(4):
        first.add(f"{number:04d}", {})
        first.start(f"{number:04d}")
        first.on_objective_values(f"{number:04d}", 1, number / 4, _values(number / 4, 2.0**number, number % 2))
    second.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
    assert second.state() == first.state()
    last = ("0004", 1, 0.6, _values(0.6, 5))
    for scheduler in (first, second):
        scheduler.add("0004", {})
        scheduler.start("0004")
    assert first.on_objective_values(*last) == second.on_objective_values(*last)
