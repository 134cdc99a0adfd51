"""Forecasts: several schedulers, workers and seeds, and what is shown of them."""

import json

import numpy as np
import pytest
from rich.console import Console

from pipeline.simulation.curves import SyntheticCurves
from pipeline.simulation.forecast import Forecast, best_pairs, forecast, forecast_object, forecast_view, hypervolumes
from pipeline.simulation.simulator import SimulationResult
from pipeline.study import Objective
from tests.unit.simulation.simulation_inputs import job


def synthetic(tuned):
    return SyntheticCurves(tuned, seconds_per_epoch=1.0, seconds_per_start=0.0)


def written(scheduler, bests, workers=2):
    results = [
        SimulationResult(
            seed=seed, workers=workers, seconds=7200.0, busy=7200.0, epochs=9, extended=0, trials=(),
            best_curve=() if best is None else ((60.0, best),), end_reason=None,
        )
        for seed, best in enumerate(bests)
    ]  # fmt: skip
    return Forecast(job(scheduler=scheduler), workers, results)


def test_each_job_is_simulated_with_each_number_of_workers():
    found = list(forecast([job(scheduler=kind) for kind in ("asha", "fifo")], [1, 3], synthetic, repeats=3))
    assert [(one.pair["scheduler"], one.workers) for one in found] == [
        ("asha", 1),
        ("asha", 3),
        ("fifo", 1),
        ("fifo", 3),
    ]
    assert [[result.seed for result in one.results] for one in found] == [[0, 1, 2]] * 4
    assert found[2].results[0].epochs == 12 * 9
    seconds = sorted(result.seconds for result in found[0].results)
    assert found[0].span(lambda one: one.seconds) == {"median": seconds[1], "low": seconds[0], "high": seconds[2]}
    assert found[0].span(lambda _: None) is None


def test_the_best_pair_is_named_in_the_table_and_in_json():
    pairs = [written("asha", [0.5, 0.6, 0.7]), written("fifo", [0.3, 0.4, 0.5]), written("median", [None] * 3)]
    console = Console(width=400)
    with console.capture() as captured:
        console.print(forecast_view(pairs, {"note": "As written."}, price=None))
    assert "Best with 2 workers: asha with random" in captured.get()
    reported = json.loads(json.dumps(forecast_object(pairs, {"note": "As written."}, price=0.5), allow_nan=False))
    (best,) = reported["best_pairs"]
    assert (best["workers"], best["scheduler"], best["separated"]) == (2, "asha", True)
    assert best["next"] == {"scheduler": "fifo", "searcher": "random"}
    assert reported["forecasts"][0]["seconds"] == {"median": 7200.0, "low": 7200.0, "high": 7200.0}
    assert [one["cost"]["median"] for one in reported["forecasts"]] == [2.0] * 3
    assert reported["forecasts"][2]["best"] is None


def test_the_best_mean_is_separated_from_the_next_by_paired_differences():
    asha, fifo = written("asha", [0.5, 0.7, 0.9]), written("fifo", [0.4, 0.6, 0.7])
    (found,) = best_pairs([fifo, written("median", [0.1, 0.1, 0.1]), asha])
    assert (found.best, found.next) == (asha, fifo)
    assert (found.mean, found.difference) == (pytest.approx(0.7), pytest.approx(0.4 / 3))
    reach = 2.91999 * np.std([0.1, 0.1, 0.2], ddof=1) / 3**0.5
    assert found.interval == (pytest.approx(0.4 / 3 - reach, abs=1e-4), pytest.approx(0.4 / 3 + reach, abs=1e-4))
    assert found.separated
    assert best_pairs([written("asha", [0.5], workers=1), written("fifo", [0.4], workers=2)]) == []


def test_several_objectives_are_compared_by_their_hypervolume():
    several = [Objective("score", "max"), Objective("cost", "min")]
    jobs = [job(scheduler=kind, objectives=several) for kind in ("fifo", "asha")]
    found = list(forecast(jobs, [2], synthetic, repeats=3))
    fifo, asha = hypervolumes(found)
    assert all(0.0 < other <= most <= 1.0 for most, other in zip(fifo, asha, strict=True))
    (best,) = best_pairs(found)
    assert (best.best.job.scheduler.kind, best.mean) == ("fifo", pytest.approx(np.mean(fifo)))
