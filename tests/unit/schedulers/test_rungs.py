"""Rungs: their epochs, the ranks of trials, and the schedulers that stop or promote there; the median stopping rule."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.schedulers import ASHA, MedianStopping, PromotingASHA, Scheduler, SchedulerContext, SchedulerSettings
from tests.scheduler_play import Curve
from tests.unit.schedulers.learning_curves import curves, milestones_of, played


@pytest.mark.parametrize(("settings", "epochs", "milestones"), [
    (ASHA(), 8, [1, 2, 4, 8]),
    (ASHA(), 9, [1, 2, 4, 8, 9]),
    (ASHA(grace_period=3), 20, [3, 6, 12, 20]),
    (ASHA(reduction_factor=3), 9, [1, 3, 9]),
    (ASHA(reduction_factor=1.5), 8, [1, 2, 3, 4, 6, 8]),
    (ASHA(reduction_factor=1.01), 5, [1, 2, 3, 4, 5]),
    (ASHA(grace_period=8), 8, [8]),
    (ASHA(grace_period=10, reduction_factor=1.1), 12, [10, 11, 12]),
    (ASHA(), 1, [1]),
])  # fmt: skip
def test_rungs_are_at_powers(settings: ASHA, epochs: int, milestones: list[int]) -> None:
    assert milestones_of(settings, epochs) == milestones


def _built(settings: SchedulerSettings, trials: int = 0, *, epochs: int = 8, mode: str = "max") -> Scheduler:
    scheduler = settings.build(SchedulerContext({}, mode, epochs, trials, 0))
    for i in range(trials):
        scheduler.add(f"{i}", {})
    return scheduler


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(1.01, 9.0), st.sampled_from(["max", "min"]))
def test_asha_stops_below_the_quantile_of_earlier_values(values, factor, mode):
    scheduler = _built(ASHA(reduction_factor=factor), mode=mode)
    for number, value in enumerate(values):
        scheduler.on_result(f"{number:04d}", 1, value)
    sign = 1 if mode == "max" else -1
    expected = sign * np.nanpercentile(sign * np.array(values), (1 - 1 / factor) * 100)
    decision = scheduler.on_result("9999", 1, expected + sign)
    assert (decision.action, decision.cutoff) == ("continue", pytest.approx(expected))
    assert scheduler.on_result("99999", 1, sign * -1e7).action == "stop"
    assert scheduler.on_result("99999", 8, sign * -1e7).action == "continue"


DOUBLING = PromotingASHA(grace_period=1, reduction_factor=2)


def _reference(found: Sequence[Curve], rungs: Sequence[int], eta: float) -> list[tuple[str, int]]:
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
        turns.append((f"{trial:04d}", rungs[k]))
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
    epochs = grace * eta**top
    found = curves(trials, seed)
    settings = PromotingASHA(grace_period=grace, reduction_factor=eta)
    turns = [(trial, epoch) for trial, epoch, *_ in played(settings, found, epochs, mode).decisions]
    assert turns == _reference(found, [grace * eta**k for k in range(top + 1)], eta)


@pytest.mark.parametrize("restored", [False, True])
def test_a_trial_that_ends_early_has_reached_its_end(restored: bool) -> None:
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


def test_a_failed_trial_does_not_keep_the_best_from_its_end() -> None:
    scheduler = _built(PromotingASHA(grace_period=1, reduction_factor=4), 3, epochs=16)
    for i, value in enumerate((0.5, 0.9)):
        scheduler.start(f"{i}")
        scheduler.on_result(f"{i}", 1, value)
    scheduler.start("2")
    assert scheduler.choose(["0", "1"]) is None
    scheduler.end("2")
    assert scheduler.choose(["0", "1"]).trial_id == "1"


def test_a_final_stop_names_the_last_value_that_continued() -> None:
    scheduler = _built(DOUBLING, 5)
    for i, value in enumerate((0.5, 0.9, 0.7, 0.3, 0.1)):
        scheduler.start(f"{i}")
        scheduler.on_result(f"{i}", 1, value)
    stopped = scheduler.trials_to_stop(["0", "3"], exhausted=True)
    assert [(trial, one.rung, one.cutoff) for trial, one in stopped.items()] == [("0", 1, 0.7), ("3", 1, 0.7)]
    assert "of which the first 2 continue" in stopped["3"].reason


def test_more_epochs_continue_from_the_earlier_end() -> None:
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
    assert (chosen.trial_id, chosen.rung, chosen.cutoff) == ("1", 4, 0.6)


@given(
    seed=st.integers(0, 10_000),
    grace=st.integers(1, 4),
    required=st.integers(1, 4),
    mode=st.sampled_from(["max", "min"]),
)
def test_a_trial_stops_below_the_median_of_the_running_means_of_others(
    seed: int, grace: int, required: int, mode: str
) -> None:
    settings, sign = MedianStopping(grace_period=grace, min_samples_required=required), 1 if mode == "max" else -1
    scheduler = settings.build(SchedulerContext({}, mode, 8, 9, 0))
    rng, curves = np.random.default_rng(seed), dict[int, list[float]]()
    live = list(range(9))
    while live:
        trial = int(rng.choice(live))
        curve = curves.setdefault(trial, [])
        # Sums of these have no rounding that could tell a tie apart.
        curve.append(float(rng.integers(0, 64)) / 8)
        epoch = len(curve)
        others = [each[grace - 1 : epoch] for n, each in curves.items() if n != trial and len(each) >= epoch]
        compared = grace <= epoch < 8 and len(others) >= required
        median = np.median([np.mean(each) for each in others]) if compared else np.nan
        stops = compared and max(curve) < median
        decision = scheduler.on_result(f"{trial:04d}", epoch, sign * curve[-1])
        assert decision.action == ("stop" if stops else "continue")
        assert decision.cutoff == (pytest.approx(sign * median) if compared else None)
        if stops or epoch == 8:
            live.remove(trial)
