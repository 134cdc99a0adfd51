"""Forecasts: several schedulers, workers and seeds, and what is shown of them."""

import json
import re

import numpy as np
import pytest
from rich.console import Console

from pipeline.simulation.curves import SyntheticCurves
from pipeline.simulation.forecast import Forecast, SeedResult, Span, best_pairs, forecast, hypervolumes
from pipeline.simulation.forecast_view import forecast_object, forecast_picture, forecast_view
from pipeline.study import Objective
from tests.unit.simulation.simulation_inputs import job


def _synthetic(tuned):
    return SyntheticCurves(tuned, seconds_per_epoch=1.0, seconds_per_start=0.0)


def test_each_job_is_simulated_with_each_number_of_workers():
    found = list(forecast([job(scheduler=kind) for kind in ("asha", "fifo")], [1, 3], _synthetic, repeats=2))
    assert [(one.job.scheduler.kind, one.workers) for one in found] == [
        ("asha", 1),
        ("asha", 3),
        ("fifo", 1),
        ("fifo", 3),
    ]
    assert [[result.seed for result in one.results] for one in found] == [[0, 1]] * 4
    assert found[2].results[0].epochs == 12 * 9


def test_a_span_is_median_least_and_greatest():
    (one,) = forecast([job()], [1], _synthetic, repeats=3)
    seconds = sorted(result.seconds for result in one.results)
    assert one.span(lambda result: result.seconds) == Span(seconds[1], seconds[0], seconds[2])
    assert one.span(lambda _: None) is None


def _once(seed: int, best: float | None, **more) -> SeedResult:
    fields = {"seconds": 7200.0, "worker_seconds": 14400.0, "utilisation": 0.5, "epochs": 1000, "extended": 0}
    fields |= {"completed": 3, "stopped": 9, "failed": 0, "over": None}
    best_curve = () if best is None else ((60.0, best),)
    return SeedResult(seed=seed, best=best, best_curve=best_curve, **{**fields, **more})


def test_the_object_goes_to_json():
    reported = forecast_object([Forecast(job(), 2, [_once(0, None)])], {"note": "As written."}, price=None, own=job())
    again = json.loads(json.dumps(reported, allow_nan=False))
    assert again["forecasts"][0]["cost"] is None
    assert again["forecasts"][0]["best"] is None
    assert again["forecasts"][0]["seconds"] == {"median": 7200.0, "low": 7200.0, "high": 7200.0}


def test_the_best_pair_and_the_pair_of_a_run_are_named():
    pairs = [
        Forecast(job(scheduler=kind), 2, [_once(seed, best + 0.1 * seed) for seed in range(3)])
        for kind, best in (("asha", 0.5), ("fifo", 0.3))
    ]
    console = Console(width=400)
    with console.capture() as captured:
        console.print(forecast_view(pairs, {"note": "As written."}, price=None, own=job()))
    assert "asha with random" in captured.get()
    reported = forecast_object(pairs, {"note": "As written."}, price=None, own=job())
    assert reported["run_takes"] == {"scheduler": "asha", "searcher": "random", "recommended": ["searcher"]}
    assert reported["recommended_pair"] == {"scheduler": "promoting-asha", "searcher": "curves"}
    (best,) = reported["best_pairs"]
    assert (best["workers"], best["scheduler"], best["separated"]) == (2, "asha", True)
    assert best["next"] == {"scheduler": "fifo", "searcher": "random"}


def _forecast(scheduler: str, bests: list[float | None], workers: int = 2, mode: str = "max") -> Forecast:
    results = [
        SeedResult(
            seed=seed, seconds=1.0, worker_seconds=1.0, utilisation=1.0, epochs=9, extended=0, completed=1, stopped=0,
            failed=0, best=best, best_curve=(), over=None,
        )
        for seed, best in enumerate(bests)
    ]  # fmt: skip
    return Forecast(job(scheduler=scheduler, objectives=[Objective("score", mode)]), workers, results)


def test_the_best_mean_is_separated_from_the_next_by_paired_differences() -> None:
    asha, fifo = _forecast("asha", [0.5, 0.7, 0.9]), _forecast("fifo", [0.4, 0.6, 0.7])
    (found,) = best_pairs([fifo, _forecast("median", [0.1, 0.1, 0.1]), asha])
    assert (found.best, found.next) == (asha, fifo)
    assert (found.mean, found.difference) == (pytest.approx(0.7), pytest.approx(0.4 / 3))
    reach = 2.91999 * np.std([0.1, 0.1, 0.2], ddof=1) / 3**0.5
    assert found.interval == (pytest.approx(0.4 / 3 - reach, abs=1e-4), pytest.approx(0.4 / 3 + reach, abs=1e-4))
    assert found.separated


def test_pairs_are_compared_for_each_number_of_workers() -> None:
    assert best_pairs([_forecast("asha", [0.5], workers=1), _forecast("fifo", [0.4], workers=2)]) == []
    assert best_pairs([_forecast("asha", [0.5]), _forecast("fifo", [None])]) == []


def test_several_objectives_are_compared_by_their_hypervolume() -> None:
    several = [Objective("score", "max"), Objective("cost", "min")]
    jobs = [job(scheduler=kind, objectives=several) for kind in ("fifo", "asha")]
    found = list(
        forecast(jobs, [2], lambda one: SyntheticCurves(one, seconds_per_epoch=1.0, seconds_per_start=0.0), repeats=3)
    )
    fifo, asha = hypervolumes(found)
    assert all(0.0 < other <= most <= 1.0 for most, other in zip(fifo, asha, strict=True) if most and other)
    (best,) = best_pairs(found)
    assert (best.best.job.scheduler.kind, best.mean) == ("fifo", pytest.approx(np.mean([one for one in fifo if one])))


def _texts(svg: bytes) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg.decode())


def test_each_number_of_workers_has_a_panel_and_each_scheduler_a_line():
    forecasts = list(forecast([job(scheduler=kind) for kind in ("asha", "fifo")], [1, 4], _synthetic, repeats=3))
    texts = _texts(forecast_picture(forecasts, "svg"))
    assert {"1 worker", "4 workers", "best score so far"} <= set(texts)
    assert [texts.count(label) for label in ("asha", "fifo")] == [1, 1]
