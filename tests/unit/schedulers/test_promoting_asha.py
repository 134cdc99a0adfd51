"""Successive halving that pauses and promotes."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, strategies as st

from pipeline.schedulers import ASHA, PromotingASHA, Scheduler, SchedulerContext
from tests.unit.schedulers.learning_curves import Curve, curves, negative, simulated

DOUBLING = PromotingASHA(grace_period=1, reduction_factor=2)


def _built(settings: PromotingASHA, trials: int, *, epochs: int = 8, mode: str = "max") -> Scheduler:
    scheduler = settings.build(SchedulerContext({}, mode, epochs, trials, 0))
    for i in range(trials):
        scheduler.add(f"{i}", {})
    return scheduler


def _reference(found: Sequence[Curve], rungs: Sequence[int], eta: float) -> list[tuple[str, int, str]]:
    """Algorithm 2 of the paper, line by line, on one worker with a fixed number of configs."""
    done: list[list[tuple[float, int]]] = [[] for _ in rungs]
    promoted: list[set[int]] = [set() for _ in rungs]
    drawn, turns = 0, []

    def get_job():
        nonlocal drawn
        for k in reversed(range(len(rungs) - 1)):
            top = sorted(done[k], key=lambda one: -one[0])[: math.floor(len(done[k]) / eta)]
            for _, trial in top:
                if trial not in promoted[k]:
                    promoted[k].add(trial)
                    return trial, k + 1
        if drawn < len(found):
            drawn += 1
            return drawn - 1, 0
        if not done[-1]:  # Ours: a study that ends has one trial at its end.
            for k in reversed(range(len(rungs) - 1)):
                for _, trial in sorted(done[k], key=lambda one: -one[0]):
                    if trial not in promoted[k]:
                        promoted[k].add(trial)
                        return trial, k + 1
        return None

    while (job := get_job()) is not None:
        trial, k = job
        turns.append((f"{trial:04d}", rungs[k - 1] if k else 0, "promoted" if k else "new"))
        done[k].append((found[trial](rungs[k]), trial))
    return turns


@given(
    trials=st.integers(1, 40),
    seed=st.integers(0, 10_000),
    eta=st.sampled_from([2, 3, 4]),
    grace=st.integers(1, 3),
    top=st.integers(1, 4),
    mode=st.sampled_from(["max", "min"]),
)
def test_promotes_as_the_paper_does(trials: int, seed: int, eta: int, grace: int, top: int, mode: str) -> None:
    """On one worker the same trials are promoted from the same rungs in the same order as in the paper."""
    epochs = grace * eta**top
    found = curves(trials, seed)
    settings = PromotingASHA(grace_period=grace, reduction_factor=eta)
    _, turns = simulated(settings, found if mode == "max" else negative(found), epochs, mode)
    assert turns == _reference(found, [grace * eta**k for k in range(top + 1)], eta)


def test_a_trial_that_improves_late_is_not_lost() -> None:
    """A trial that waits at the first rung continues to its end when worse ones arrive, and ASHA stops it."""
    found = [lambda e: 0.5 + 0.01 * e, lambda e: 0.4 + 0.1 * e, *[lambda e, i=i: 0.1 + 0.001 * i * e for i in range(6)]]
    reached, turns = simulated(DOUBLING, found, 8)
    assert reached["0001"] == 8
    assert turns.index(("0001", 1, "promoted")) > turns.index(("0003", 0, "new"))
    assert simulated(ASHA(), found, 8)[0]["0001"] == 1


def test_a_promotion_has_what_was_compared() -> None:
    """The reason of a promotion has rank, rung and share, and its cutoff is the last promoted value."""
    scheduler = _built(DOUBLING, 3)
    for i, value in enumerate((0.5, 0.25, 0.75)):
        scheduler.start(f"{i}")
        decision = scheduler.on_result(f"{i}", 1, value)
        assert (decision.action, decision.rung) == ("pause", 1)
    assert decision.reason == "0.75 is number 1 of 3 at rung 1; waits to be among the best 1/2"
    chosen = scheduler.choose(["0", "1", "2"])
    assert (chosen.trial_id, chosen.promoted, chosen.rung, chosen.cutoff) == ("2", True, 1, 0.75)
    assert chosen.reason == "0.75 is number 1 of 3 at rung 1: among the best 1/2, and continues to 2"


def test_a_lost_worker_s_trial_continues_before_others() -> None:
    """A lost worker's trial is chosen first, and no rung counts it as waiting."""
    scheduler = _built(DOUBLING, 4)
    for i, value in enumerate((0.5, 0.75, 0.9)):
        scheduler.start(f"{i}")
        scheduler.on_result(f"{i}", 1, value)
    assert scheduler.choose(["0", "1", "2"]).trial_id == "2"
    scheduler.start("2")
    assert scheduler.choose(["0", "1"]) is None
    again = scheduler.choose(["0", "1", "2"])
    assert (again.trial_id, again.promoted) == ("2", False)
    scheduler.start("2")
    assert scheduler.choose(["0", "1"]) is None


def test_remaining_trials_have_a_reason() -> None:
    """When no other trial is left, each remaining one has its rank and the missed cutoff as the reason."""
    scheduler = _built(DOUBLING, 3, epochs=2)
    for i, value in enumerate((0.5, 0.25, 0.75)):
        scheduler.start(f"{i}")
        scheduler.on_result(f"{i}", 1, value)
    assert scheduler.choose(["0", "1", "2"]).trial_id == "2"
    scheduler.start("2")
    scheduler.on_result("2", 2, 0.8)
    scheduler.end("2")
    assert scheduler.choose(["0", "1"]) is None
    assert scheduler.trials_to_stop(["0", "1"], exhausted=False) == {}
    left = scheduler.trials_to_stop(["0", "1"], exhausted=True)
    assert left["0"].reason == "0.5 is number 2 of 3 at rung 1, of which one continues; no other trial is left to train"
    assert {(d.action, d.rung, d.cutoff) for d in left.values()} == {("stop", 1, 0.75)}


@pytest.mark.parametrize("trials", [1, 2, 3])
def test_one_trial_reaches_its_end(trials: int) -> None:
    """If there are fewer trials than the reduction factor, the best one is still trained to its end."""
    reached, _ = simulated(PromotingASHA(grace_period=1, reduction_factor=4), curves(trials, 3), 16)
    assert max(reached.values()) == 16


@pytest.mark.parametrize("restored", [False, True])
def test_a_trial_that_ends_early_has_reached_its_end(restored: bool) -> None:
    """If the best trial ended by itself before its last epoch, no other one trains to its end instead."""
    scheduler = _built(PromotingASHA(grace_period=1, reduction_factor=4), 3, epochs=16)
    for i, value in enumerate((0.5, 0.9, 0.7)):
        scheduler.start(f"{i}")
        scheduler.on_result(f"{i}", 1, value)
    assert scheduler.choose(["0", "1", "2"]).trial_id == "1"
    scheduler.start("1")
    scheduler.end("1", completed=True)
    if restored:
        state = scheduler.state()
        scheduler = _built(PromotingASHA(grace_period=1, reduction_factor=4), 0, epochs=16)
        scheduler.restore(state)
    assert scheduler.choose(["0", "2"]) is None
    assert scheduler.trials_to_stop(["0", "2"], exhausted=True).keys() == {"0", "2"}


def test_a_poor_trial_that_ends_early_does_not_replace_the_best() -> None:
    """The best trial trains to its end if only a worse one, or one of a lower rung, ended by itself."""
    scheduler = _built(PromotingASHA(grace_period=1, reduction_factor=4), 3, epochs=16)
    scheduler.start("2")
    scheduler.end("2", completed=True)
    for i, value in enumerate((0.5, 0.9)):
        scheduler.start(f"{i}")
        scheduler.on_result(f"{i}", 1, value)
    assert scheduler.choose(["0", "1"]).trial_id == "1"


def test_only_a_candidate_is_promoted() -> None:
    """If the best trial has failed, the next one is promoted if it is good enough, and the place stays taken."""
    scheduler = _built(DOUBLING, 4)
    for i, value in enumerate((0.9, 0.8, 0.7, 0.6)):
        scheduler.start(f"{i}")
        scheduler.on_result(f"{i}", 1, value)
    scheduler.end("0")
    assert scheduler.choose(["1", "2", "3"]).trial_id == "1"
    scheduler.start("1")
    assert scheduler.choose(["2", "3"]) is None


def test_more_epochs_continue_from_the_earlier_end() -> None:
    """If the number of epochs grows, the former maximum becomes a rung whose best trials continue."""
    first = _built(DOUBLING, 4, epochs=4)
    for trial, epoch, value in [
        ("0", 1, 0.1),
        ("1", 1, 0.2),
        ("0", 2, 0.3),
        ("1", 2, 0.4),
        ("0", 4, 0.5),
        ("1", 4, 0.6),
    ]:
        first.start(trial)
        first.on_result(trial, epoch, value)
    second = DOUBLING.build(SchedulerContext({}, "max", 8, 4, 0))
    second.restore(first.state())
    chosen = second.choose(["0", "1"])
    assert (chosen.trial_id, chosen.rung) == ("1", 4)
