"""Forecasts of a study: schedulers, searchers and numbers of workers over the same curves, and the best pair."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

from pipeline.pareto import dominated_box, hypervolume
from pipeline.simulation.curves import CurveSource
from pipeline.simulation.simulator import SimulationResult, simulate
from pipeline.study import TuneJob
from pipeline.study.earlier_trials import EarlierTrials, earlier_studies

_Reals = npt.NDArray[np.float64]

_LEVEL = 0.9


@dataclass(frozen=True, slots=True)
class Span:
    """A number over several seeds."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, numbers: Sequence[float | None]) -> "Span | None":
        """The span of some numbers; None if there are none."""
        known = [number for number in numbers if number is not None]
        return cls(median(known), min(known), max(known)) if known else None


@dataclass(frozen=True, slots=True)
class SeedResult:
    """A simulated study with one seed, in numbers."""

    seed: int
    seconds: float
    worker_seconds: float
    utilisation: float
    epochs: int
    extended: int
    completed: int
    stopped: int
    failed: int
    best: float | None
    best_curve: Sequence[tuple[float, float]]
    over: str | None
    front: Sequence[tuple[float, ...]] = ()

    @classmethod
    def of(cls, result: SimulationResult, seed: int) -> "SeedResult":
        """The numbers of a simulated study."""
        states = [trial.state for trial in result.trials]
        return cls(
            seed=seed,
            seconds=result.seconds,
            worker_seconds=result.worker_seconds,
            utilisation=result.utilisation,
            epochs=result.epochs,
            extended=result.extended,
            completed=states.count("completed"),
            stopped=states.count("stopped"),
            failed=states.count("failed"),
            best=result.best,
            best_curve=result.best_curve,
            over=result.end_reason,
            front=result.front,
        )


@dataclass(frozen=True, slots=True)
class Forecast:
    """One scheduler and one searcher with a number of workers, over several seeds."""

    job: TuneJob
    workers: int
    results: Sequence[SeedResult]

    def span(self, of: Callable[[SeedResult], float | None]) -> Span | None:
        """A number's span over the seeds; None if no seed has it."""
        return Span.of([of(result) for result in self.results])


def forecast(
    jobs: Iterable[TuneJob],
    workers: Sequence[int],
    curves: Callable[[TuneJob], CurveSource],
    *,
    repeats: int,
    earlier: Sequence[EarlierTrials] = (),
) -> Iterator[Forecast]:
    """Simulate jobs with several numbers of workers, one after the other."""
    for job in jobs:
        seeded: list[tuple[TuneJob, CurveSource]] = []
        for number in range(repeats):
            seeded_job = job.replaced({"seed": job.seed + number})
            seeded.append((seeded_job, curves(seeded_job)))
        for count in workers:
            results = [
                SeedResult.of(simulate(each, learned, count, earlier=earlier_studies(each, earlier)), each.seed)
                for each, learned in seeded
            ]
            yield Forecast(job, count, results)


@dataclass(frozen=True, slots=True)
class BestPair:
    """The best of several pairs with one number of workers."""

    best: Forecast
    mean: float
    next: Forecast
    difference: float
    interval: tuple[float, float] | None

    @property
    def separated(self) -> bool:
        """Whether the interval excludes that the next pair is as good."""
        return self.interval is not None and self.interval[0] > 0


def hypervolumes(forecasts: Sequence[Forecast]) -> list[list[float | None]]:
    """The share of a box that the trials of each simulated study dominate at its end."""
    boxes = []
    for results in zip(*(forecast.results for forecast in forecasts), strict=True):
        fronts = [np.array(result.front) for result in results if result.front]
        boxes.append(dominated_box(np.concatenate(fronts)) if fronts else None)
    return [
        [_share(result, box) for result, box in zip(forecast.results, boxes, strict=True)] for forecast in forecasts
    ]


def best_pairs(forecasts: Sequence[Forecast]) -> list[BestPair]:
    """The best pair for each number of workers, by its mean over the seeds after the budget."""
    job = forecasts[0].job
    volumes = hypervolumes(forecasts)
    by_volume = any(share is not None for shares in volumes for share in shares)
    sign = 1.0 if by_volume or job.objective.mode == "max" else -1.0
    values = volumes if by_volume else [[result.best for result in one.results] for one in forecasts]
    found = []
    for workers in dict.fromkeys(forecast.workers for forecast in forecasts):
        complete = [
            (forecast, sign * np.array(of_seeds, np.float64))
            for forecast, of_seeds in zip(forecasts, values, strict=True)
            if forecast.workers == workers and None not in of_seeds
        ]
        if len(complete) < 2:
            continue
        (best, better), (following, worse) = sorted(complete, key=lambda one: -float(one[1].mean()))[:2]
        apart = better - worse
        found.append(BestPair(best, sign * float(better.mean()), following, float(apart.mean()), _interval(apart)))
    return found


def _share(result: SeedResult, box: tuple[_Reals, _Reals] | None) -> float | None:
    if box is None:
        return None
    if not result.front:
        return 0.0
    ideal, corner = box
    return hypervolume((np.array(result.front) - ideal) / (corner - ideal), np.ones(len(ideal)))


def _interval(apart: _Reals) -> tuple[float, float] | None:
    """Student's interval for the mean of paired differences."""
    if len(apart) < 2:
        return None
    from scipy.stats import t

    mean = float(apart.mean())
    reach = float(t.ppf((1 + _LEVEL) / 2, len(apart) - 1) * apart.std(ddof=1) / np.sqrt(len(apart)))
    return mean - reach, mean + reach
