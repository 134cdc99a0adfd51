"""Studies simulated with their own clock."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from pipeline.engine.decision_rows import DecisionRow
from pipeline.schedulers import PBT, SCHEDULERS, PromotingASHA
from pipeline.simulation.curve_source import Curve
from pipeline.simulation.simulator import simulate
from pipeline.simulation.synthetic_curves import SyntheticCurves
from pipeline.study import Budget, Objective
from tests.unit.simulation.simulation_inputs import Written, job

_ENDS = {"stop": "stopped", "finish": "completed", "fail": "failed"}


class Watched(SyntheticCurves):
    """Synthetic curves that remember which were asked for."""

    def __init__(self, tuned) -> None:
        super().__init__(tuned, seconds_per_epoch=1.0, seconds_per_start=0.5)
        self.asked: list[tuple[int, int]] = []

    def curve(self, index: int, segment: int, config) -> Curve:
        """The curve."""
        self.asked.append((index, segment))
        return super().curve(index, segment, config)


@given(
    kind=st.sampled_from(sorted(SCHEDULERS)),
    workers=st.integers(1, 5),
    trials=st.integers(2, 10),
    epochs=st.integers(1, 10),
    total=st.none() | st.integers(1, 40),
    seed=st.integers(0, 2**31 - 1),
    mode=st.sampled_from(["min", "max"]),
)
def test_the_budget_is_kept_and_every_trial_ends_once(kind, workers, trials, epochs, total, seed, mode):
    """With any number of workers no trial or study exceeds its budget, and each trial has one final decision."""
    budget = Budget(trials=trials, epochs=epochs, total_epochs=total)
    tuned = job(scheduler=kind, budget=budget, seed=seed, objectives=[Objective("score", mode)])
    rows: list[DecisionRow] = []
    curves = Watched(tuned)
    done = simulate(tuned, curves, workers, rows.append)
    ends = [(row.trial_id, _ENDS[row.kind]) for row in rows if row.kind in _ENDS]
    assert sorted(ends) == sorted((trial.trial_id, trial.state) for trial in done.trials)
    assert all(trial.epoch <= epochs for trial in done.trials)
    assert all(trial.epoch == epochs for trial in done.trials if trial.state == "completed")
    assert len(done.trials) == trials or done.end_reason
    # A trial that is training when the last epoch is reported has one epoch in progress.
    assert total is None or done.epochs < total + workers
    assert done.epochs == sum(trial.epoch for trial in done.trials)
    # A trial's curve is looked up once for each config it has.
    assert max(Counter(curves.asked).values()) == 1


@given(kind=st.sampled_from(sorted(SCHEDULERS)), workers=st.integers(1, 6), seed=st.integers(0, 2**31 - 1))
def test_no_more_trials_run_than_there_are_workers(kind, workers, seed):
    """The number of running trials never exceeds the number of workers, and each trial takes time."""
    tuned = job(scheduler=kind, seed=seed)
    running: set[str] = set()
    most = 0

    def follow(row: DecisionRow) -> None:
        nonlocal most
        if row.kind in ("start", "promote", "resume"):
            running.add(row.trial_id)
        elif row.kind in ("stop", "finish", "fail", "pause", "exploit"):
            running.discard(row.trial_id)
        most = max(most, len(running))

    done = simulate(tuned, SyntheticCurves(tuned, seconds_per_epoch=1.0, seconds_per_start=0.5), workers, follow)
    assert most == min(workers, 12)
    assert not running
    assert 0 < done.busy <= done.worker_seconds * (1 + 1e-9)
    assert [moment for moment, _ in done.best_curve] == sorted(moment for moment, _ in done.best_curve)


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_the_same_seed_comes_to_the_same(kind):
    """Simulations with the same seed are equal to the last digit, and another seed gives another result."""

    def once(seed: int):
        tuned = job(scheduler=kind, seed=seed, budget=Budget(trials=8, epochs=5))
        return simulate(tuned, SyntheticCurves(tuned, seconds_per_epoch=1.0, seconds_per_start=0.0), 3)

    assert once(1) == once(1)
    assert once(1) != once(2)


def test_time_is_that_of_the_longest_worker():
    """The simulated time of five equal trials is that of all in a row on one worker, and of three on two workers."""
    tuned = job(scheduler="fifo", budget=Budget(trials=5, epochs=4))
    curves = Written(lambda *_: [0.1] * 4, seconds=3.0, start=2.0)
    one, two = (simulate(tuned, curves, workers) for workers in (1, 2))
    assert (one.seconds, one.busy, one.utilisation) == (70.0, 70.0, 1.0)
    assert (two.seconds, two.busy, two.worker_seconds) == (42.0, 70.0, 84.0)


def test_a_paused_trial_starts_again():
    """A trial takes the time of a start each time that it continues after a pause, and otherwise once."""
    # Two trials and rungs at 1 and 2: the better one continues twice.
    curves = Written(lambda index, _: [0.1 + index] * 4, seconds=1.0, start=10.0)
    budget = Budget(trials=2, epochs=4)
    stops = simulate(job(scheduler="fifo", budget=budget), curves, 1)
    doubling = PromotingASHA(grace_period=1, reduction_factor=2)
    pauses = simulate(job(scheduler=doubling, budget=budget), curves, 1)
    assert (stops.epochs, stops.busy) == (8, 28.0)
    assert (pauses.epochs, pauses.busy) == (5, 45.0)


def test_the_studys_seconds_are_those_of_the_clock():
    """A budget of 11 seconds ends a simulation with epochs of one second at 11, by the simulated clock."""
    tuned = job(scheduler="fifo", budget=Budget(trials=50, epochs=100, seconds=11))
    done = simulate(tuned, Written(lambda *_: [0.1] * 100), 2)
    assert done.seconds == 11
    assert done.end_reason == "The study's budget of 11 seconds is spent."
    assert {trial.state for trial in done.trials} == {"stopped"}


def test_the_target_ends_the_study():
    """The trial that reaches the target is completed, and no trial is drawn after it."""
    tuned = job(scheduler="fifo", budget=Budget(trials=50, epochs=9, target=0.5))
    done = simulate(tuned, Written(lambda index, _: [0.1 * index] * 9), 1)
    assert len(done.trials) == 6
    assert (done.trials[-1].state, done.trials[-1].epoch) == ("completed", 1)
    assert done.best == 0.5


def test_curves_that_fail_are_failures():
    """A trial whose curve fails ends after its last value, and three equal first errors end the study."""
    some = Written(lambda *_: [0.1, 0.2], failure="ValueError: no")
    tuned = job(scheduler="fifo")
    done = simulate(tuned, some, 1)
    assert [(trial.state, trial.epoch, trial.error) for trial in done.trials] == [("failed", 2, "ValueError: no")] * 3
    assert "failed with the same error" in done.end_reason


def test_the_value_of_a_failed_trial_is_not_the_best() -> None:
    """The best value of a simulated study is never that of a failed trial; without another one there is none."""
    failing = Written(lambda *_: [0.1, 0.9], failure="ValueError: no")
    done = simulate(job(scheduler="fifo"), failing, 1)
    assert (done.best, done.best_curve) == (None, ())

    class FirstFails(Written):
        """The first trial has the best value, and fails."""

        def curve(self, index: int, segment: int, config) -> Curve:
            found = super().curve(index, segment, config)
            return replace(found, failure=None if index else "ValueError: no")

    curves = FirstFails(lambda index, _: [0.1, 0.2, 0.3] if index else [0.8, 0.9])
    done = simulate(job(scheduler="fifo", budget=Budget(trials=2, epochs=3)), curves, 1)
    assert done.best_curve == ((4.0, 0.2), (5.0, 0.3))


def test_curves_that_end_are_completed():
    """A trial whose callback ended it is completed before its maximum."""
    done = simulate(job(scheduler="fifo"), Written(lambda *_: [0.1, 0.2], ended=True), 4)
    assert {(trial.state, trial.epoch) for trial in done.trials} == {("completed", 2)}


def test_copied_weights_keep_their_value():
    """After an exploit, a trial's new curve continues at the donor's value, and not below it."""
    budget = Budget(trials=4, epochs=8)
    tuned = job(scheduler=PBT(interval=2), budget=budget)
    slow, fast = [0.01 * epoch for epoch in range(1, 17)], [0.1 * epoch for epoch in range(1, 17)]
    rows: list[DecisionRow] = []
    curves = Written(lambda index, segment: fast if index == 0 or segment > 1 else slow)
    done = simulate(tuned, curves, 1, rows.append)
    exploited = [row for row in rows if row.kind == "exploit"]
    assert exploited
    assert exploited[0].parent_trial == "0000"
    first = done.trials[int(exploited[0].trial_id)]
    assert first.epoch == 8
    # As if it had trained with the better config from the beginning, except for the epochs at which donors were taken.
    assert first.best == pytest.approx(0.8)


def test_extended_epochs_are_counted():
    """Epochs beyond the known part of a curve are counted and reported."""
    curves = Written(lambda *_: [0.1] * 9, known=4)
    assert simulate(job(scheduler="fifo"), curves, 3).extended == 12 * 5


def test_the_front_has_all_objectives() -> None:
    """A study of several objectives has the losses of its epochs that no other dominates, and one of one has none."""
    curves = Written(lambda index, _: [0.1 + index] * 2, others={"cost": [3.0, 2.0]})
    budget = Budget(trials=2, epochs=2)
    several = [Objective("score", "max"), Objective("cost", "min")]
    found = simulate(job(scheduler="fifo", budget=budget, objectives=several), curves, 1)
    assert found.front == ((-1.1, 2.0),)
    assert simulate(job(scheduler="fifo", budget=budget), curves, 1).front == ()


def test_a_trial_ends_where_the_curve_of_its_later_segment_ends() -> None:
    """A trial that takes over weights as old as the whole curve of its new config has ended."""
    curves = Written(lambda index, _: [epoch - index for epoch in range(4)], ended=True)
    done = simulate(job(scheduler=PBT(interval=3, quantile=0.5), budget=Budget(trials=4, epochs=9)), curves, 1)
    assert {trial.state for trial in done.trials} == {"completed"}
    assert max(trial.segment for trial in done.trials) == 2


@pytest.mark.parametrize("scheduler", ["promoting-asha", "promoting-moasha"])
def test_trials_that_end_early_are_not_all_trained(scheduler: str) -> None:
    """Where trials end by themselves before their last epoch, most still stop at a rung as others do."""
    curves = Written(lambda index, _: [epoch / 100 - index for epoch in range(7)], ended=True)
    done = simulate(job(scheduler=scheduler), curves, 2)
    states = Counter((trial.state, trial.epoch) for trial in done.trials)
    assert states == {("stopped", 1): 9, ("stopped", 4): 2, ("completed", 7): 1}


def test_a_value_beyond_the_bounds_is_not_the_best() -> None:
    """The best value of a study is within the bounds of its objectives, and without such a value there is none."""
    budget = Budget(trials=2, epochs=3)
    for most, found in ((0.25, ((3.0, 0.2), (5.0, 0.25))), (0.1, ())):
        bounded = job(scheduler="fifo", budget=budget, objectives=[Objective("score", "max", at_most=most)])
        done = simulate(bounded, Written(lambda index, _: [0.9, 0.2 + 0.05 * index, 0.15]), 1)
        assert done.best_curve == found
        assert done.best == (found[-1][1] if found else None)
