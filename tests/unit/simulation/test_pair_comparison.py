"""Which simulated pair is best after the budget."""

import numpy as np
import pytest

from pipeline.simulation.forecast import Forecast, SeedResult, forecast
from pipeline.simulation.pair_comparison import best_pairs, hypervolumes
from pipeline.simulation.synthetic_curves import SyntheticCurves
from pipeline.study import Objective
from tests.unit.simulation.simulation_inputs import job


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
    """The best pair has the best mean, and a 90% interval of its difference to the next one over common seeds."""
    asha, fifo = _forecast("asha", [0.5, 0.7, 0.9]), _forecast("fifo", [0.4, 0.6, 0.7])
    (found,) = best_pairs([fifo, _forecast("median", [0.1, 0.1, 0.1]), asha])
    assert (found.best, found.next) == (asha, fifo)
    assert (found.mean, found.difference) == (pytest.approx(0.7), pytest.approx(0.4 / 3))
    reach = 2.91999 * np.std([0.1, 0.1, 0.2], ddof=1) / 3**0.5
    assert found.interval == (pytest.approx(0.4 / 3 - reach, abs=1e-4), pytest.approx(0.4 / 3 + reach, abs=1e-4))
    assert found.separated


def test_less_is_better_if_the_objective_is_minimised() -> None:
    """With a minimised objective the lowest mean is best, and the difference stays positive."""
    (found,) = best_pairs([_forecast("asha", [0.5, 0.7], mode="min"), _forecast("fifo", [0.4, 0.9], mode="min")])
    assert (found.best.job.scheduler.kind, found.mean) == ("asha", pytest.approx(0.6))
    assert found.difference == pytest.approx(0.05)
    assert not found.separated


def test_one_seed_separates_nothing() -> None:
    """With one seed there is no interval, and no pair counts as better."""
    (found,) = best_pairs([_forecast("asha", [0.5]), _forecast("fifo", [0.4])])
    assert (found.interval, found.separated) == (None, False)


def test_pairs_are_compared_for_each_number_of_workers() -> None:
    """Pairs are compared with the same number of workers, and not where fewer than two have a value for each seed."""
    assert best_pairs([_forecast("asha", [0.5], workers=1), _forecast("fifo", [0.4], workers=2)]) == []
    assert best_pairs([_forecast("asha", [0.5]), _forecast("fifo", [None])]) == []


def test_several_objectives_are_compared_by_their_hypervolume() -> None:
    """With several objectives the best pair has the largest hypervolume, in one box for all pairs of a seed."""
    several = [Objective("score", "max"), Objective("cost", "min")]
    jobs = [job(scheduler=kind, objectives=several) for kind in ("fifo", "asha")]
    found = list(
        forecast(jobs, [2], lambda one: SyntheticCurves(one, seconds_per_epoch=1.0, seconds_per_start=0.0), repeats=3)
    )
    fifo, asha = hypervolumes(found)
    assert all(0.0 < other <= most <= 1.0 for most, other in zip(fifo, asha, strict=True) if most and other)
    (best,) = best_pairs(found)
    assert (best.best.job.scheduler.kind, best.mean) == ("fifo", pytest.approx(np.mean([one for one in fifo if one])))


def test_curves_without_further_objectives_have_no_hypervolume() -> None:
    """A study of one objective, or whose curves have values of the first one alone, has no hypervolume."""
    assert hypervolumes([_forecast("asha", [0.5, 0.4])]) == [[None, None]]
