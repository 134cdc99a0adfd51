"""Several schedulers, workers and seeds."""

import pytest

from pipeline.simulation.forecast import Span, forecast
from pipeline.simulation.synthetic_curves import SyntheticCurves
from tests.unit.simulation.simulation_inputs import Written, job


def _synthetic(tuned):
    return SyntheticCurves(tuned, seconds_per_epoch=1.0, seconds_per_start=0.0)


def test_each_job_is_simulated_with_each_number_of_workers():
    """Simulations are in the given order, each with the same successive seeds."""
    found = list(forecast([job(scheduler=kind) for kind in ("asha", "fifo")], [1, 3], _synthetic, repeats=2))
    assert [(one.job.scheduler.kind, one.workers) for one in found] == [
        ("asha", 1),
        ("asha", 3),
        ("fifo", 1),
        ("fifo", 3),
    ]
    assert [[result.seed for result in one.results] for one in found] == [[0, 1]] * 4
    assert found[2].results[0].epochs == 12 * 9


def test_schedulers_meet_the_same_curves():
    """The best value without early stopping is never beaten by another scheduler on the configs of a random search."""
    fifo, *others = forecast([job(scheduler=kind) for kind in ("fifo", "asha", "median")], [2], _synthetic, repeats=5)
    for other in others:
        assert all(a.best <= b.best for a, b in zip(other.results, fifo.results, strict=True))
        assert any(a.best == b.best for a, b in zip(other.results, fifo.results, strict=True))


def test_a_span_is_median_least_and_greatest():
    """A span has median, minimum and maximum over the seeds with a value, or None if there is none."""
    (one,) = forecast([job()], [1], _synthetic, repeats=3)
    seconds = sorted(result.seconds for result in one.results)
    assert one.span(lambda result: result.seconds) == Span(seconds[1], seconds[0], seconds[2])
    assert one.span(lambda _: None) is None


def test_states_are_counted():
    """The numbers of completed, stopped and failed trials add up to the number of all trials."""
    (one,) = forecast([job()], [2], lambda _: Written(lambda index, _: [0.1 * index] * 9), repeats=1)
    result = one.results[0]
    assert result.completed + result.stopped + result.failed == 12
    assert result.failed == 0
    assert result.best == pytest.approx(1.1)
