"""Forecasts: several schedulers, workers and seeds as one table."""

import json

from pipeline.simulation.curves import SyntheticCurves
from pipeline.simulation.forecast import Forecast, forecast, forecast_table
from pipeline.simulation.simulator import SimulationResult
from pipeline.study import Objective
from tests.unit.simulation.simulation_inputs import job


def synthetic(tuned):
    return SyntheticCurves(tuned, seconds_per_epoch=1.0, seconds_per_start=0.0)


def written(bests):
    results = [
        SimulationResult(
            seed=seed, workers=2, seconds=7200.0, busy=7200.0, epochs=9, extended=3, trials=(),
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
    table = forecast_table([written([0.7, 0.5, 0.6]), written([None] * 3)], {"note": "As written."}, price=0.5)
    reported = json.loads(json.dumps(table.as_object(), allow_nan=False))
    first, second = reported["rows"]
    assert (first["seconds"], first["utilisation"], first["cost"]) == (7200.0, 0.5, 2.0)
    assert (first["best"], first["best_range"], first["found_after"]) == (0.6, [0.5, 0.7], 60.0)
    assert (second["best"], second["best_range"], second["found_after"]) == (None, None, None)
    assert all(text in reported["note"] for text in ("As written.", "3 seeds", "33% of the epochs", "It is over."))
    assert (reported["objective"]["metric"], reported["seeds"]) == ("score", 3)
