"""Several schedulers, workers and seeds."""

import pytest

from pipeline.simulation.forecast import Span, forecast
from pipeline.simulation.synthetic import Synthetic
from tests.unit.simulation.given import Written, job


def _synthetic(tuned):
    return Synthetic(tuned, seconds_per_epoch=1.0, seconds_per_start=0.0)


def test_each_job_is_simulated_with_each_number_of_workers():
    """In the order given, with the seed and those after it."""
    found = list(forecast([job(scheduler=kind) for kind in ("asha", "fifo")], [1, 3], _synthetic, repeats=2))
    assert [(one.job.scheduler.kind, one.workers) for one in found] == [
        ("asha", 1),
        ("asha", 3),
        ("fifo", 1),
        ("fifo", 3),
    ]
    assert [[once.seed for once in one.times] for one in found] == [[0, 1]] * 4
    assert found[2].times[0].epochs == 12 * 9


def test_schedulers_meet_the_same_curves():
    """The best value without early stopping is never beaten by another scheduler on the configs of a random search."""
    fifo, *others = forecast([job(scheduler=kind) for kind in ("fifo", "asha", "median")], [2], _synthetic, repeats=5)
    for other in others:
        assert all(a.best <= b.best for a, b in zip(other.times, fifo.times, strict=True))
        assert any(a.best == b.best for a, b in zip(other.times, fifo.times, strict=True))


def test_a_span_is_median_least_and_greatest():
    """Over the seeds that have the number; None where none has."""
    (one,) = forecast([job()], [1], _synthetic, repeats=3)
    seconds = sorted(once.seconds for once in one.times)
    assert one.span(lambda once: once.seconds) == Span(seconds[1], seconds[0], seconds[2])
    assert one.span(lambda _: None) is None


def test_states_are_counted():
    """Completed, stopped and failed are all trials there are."""
    (one,) = forecast([job()], [2], lambda _: Written(lambda index, _: [0.1 * index] * 9), repeats=1)
    once = one.times[0]
    assert once.completed + once.stopped + once.failed == 12
    assert once.failed == 0
    assert once.best == pytest.approx(1.1)
