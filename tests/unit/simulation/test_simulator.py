"""Studies simulated with their own clock, over synthetic and given curves."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from pipeline.engine.trial import DecisionRow
from pipeline.schedulers import PBT, SCHEDULERS
from pipeline.simulation.curves import Curve, SyntheticCurves
from pipeline.simulation.simulator import Forecast, SimulationResult, forecast, forecast_table, simulate
from pipeline.study import Budget, Objective
from tests.simulation_inputs import Written, job

_ENDS = {"stop": "stopped", "complete": "completed", "fail": "failed"}


class Watched(SyntheticCurves):
    def __init__(self, tuned) -> None:
        super().__init__(tuned, seconds_per_epoch=1.0, seconds_per_start=0.5)
        self.asked: list[tuple[int, int]] = []

    def curve(self, index: int, segment: int, config) -> Curve:
        self.asked.append((index, segment))
        return super().curve(index, segment, config)


@pytest.mark.parametrize("kind", SCHEDULERS)
@given(
    workers=st.integers(1, 5),
    trials=st.integers(2, 10),
    epochs=st.integers(1, 10),
    total=st.none() | st.integers(1, 40),
    seed=st.integers(0, 2**31 - 1),
    mode=st.sampled_from(["min", "max"]),
)
def test_the_budget_is_kept_and_every_trial_ends_once(kind, workers, trials, epochs, total, seed, mode):
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


def test_time_is_that_of_the_longest_worker():
    tuned = job(scheduler="fifo", budget=Budget(trials=5, epochs=4))
    curves = Written(lambda *_: [0.1] * 4, seconds=3.0, start=2.0)
    one, two = (simulate(tuned, curves, workers) for workers in (1, 2))
    assert (one.seconds, two.seconds) == (70.0, 42.0)


def test_the_value_of_a_failed_trial_is_not_the_best() -> None:
    failing = Written(lambda *_: [0.1, 0.9], failure="ValueError: no")
    done = simulate(job(scheduler="fifo"), failing, 1)
    assert (done.best, done.best_curve) == (None, ())
    assert [(trial.state, trial.epoch, trial.error) for trial in done.trials] == [("failed", 2, "ValueError: no")] * 3
    assert done.end_reason

    class FirstFails(Written):
        def curve(self, index: int, segment: int, config) -> Curve:
            found = super().curve(index, segment, config)
            return replace(found, failure=None if index else "ValueError: no")

    curves = FirstFails(lambda index, _: [0.1, 0.2, 0.3] if index else [0.8, 0.9])
    done = simulate(job(scheduler="fifo", budget=Budget(trials=2, epochs=3)), curves, 1)
    assert done.best_curve == ((4.0, 0.2), (5.0, 0.3))


def test_copied_weights_keep_their_value():
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
    assert first.best.value == pytest.approx(0.8)


def test_a_value_beyond_the_bounds_is_not_the_best() -> None:
    budget = Budget(trials=2, epochs=3)
    for most, found in ((0.25, ((3.0, 0.2), (5.0, 0.25))), (0.1, ())):
        bounded = job(scheduler="fifo", budget=budget, objectives=[Objective("score", "max", at_most=most)])
        done = simulate(bounded, Written(lambda index, _: [0.9, 0.2 + 0.05 * index, 0.15]), 1)
        assert done.best_curve == found
        assert done.best == (found[-1][1] if found else None)


def synthetic(tuned):
    return SyntheticCurves(tuned, seconds_per_epoch=1.0, seconds_per_start=0.0)


def written(bests):
    results = [
        SimulationResult(
            seed=seed, seconds=7200.0, epochs=9, extended=3, trials=(),
            best_curve=() if best is None else ((60.0, best),), end_reason="It is over.",
        )
        for seed, best in enumerate(bests)
    ]  # fmt: skip
    return Forecast(job(), 2, results)


def test_each_job_is_simulated_with_each_number_of_workers():
    several = [Objective("score", "max"), Objective("cost", "min")]
    jobs = [job(scheduler=kind, objectives=several) for kind in ("asha", "fifo")]
    found = list(forecast(jobs, [1, 3], synthetic, repeats=3))
    assert [(one.job.scheduler.kind, one.workers) for one in found] == [
        ("asha", 1), ("asha", 3), ("fifo", 1), ("fifo", 3),
    ]  # fmt: skip
    assert [[result.seed for result in one.results] for one in found] == [[0, 1, 2]] * 4
    assert found[2].results[0].epochs == 12 * 9
    seconds = sorted(result.seconds for result in found[0].results)
    assert found[0].middle(lambda one: one.seconds) == seconds[1]


def test_a_row_has_medians_and_the_range_of_the_best():
    table = forecast_table([written([0.7, 0.5, 0.6]), written([None] * 3)], "As written.", price=0.5)
    reported = json.loads(json.dumps(table.as_object(), allow_nan=False))
    first, second = reported["rows"]
    assert (first["seconds"], first["cost"]) == (7200.0, 2.0)
    assert (first["best"], first["best_range"]) == (0.6, [0.5, 0.7])
    assert (second["best"], second["best_range"]) == (None, None)
    one_seed = forecast_table([written([0.7])], "", price=None).as_object()
    assert (one_seed["rows"][0]["cost"], one_seed["rows"][0]["best_range"]) == (None, [0.7, 0.7])
    assert all(text in reported["note"] for text in ("As written.", "3 seeds", "33% of the epochs", "It is over."))
    assert (reported["objective"]["metric"], reported["seeds"]) == ("score", 3)
