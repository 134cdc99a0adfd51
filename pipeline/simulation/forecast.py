"""Forecasts of a study: several schedulers, searchers and numbers of workers over the same curves."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from pipeline.engine.trial import Trial
from pipeline.simulation.curve_source import CurveSource
from pipeline.simulation.simulator import SimulationResult, simulate
from pipeline.study import TuneJob
from pipeline.study.earlier_trials import EarlierTrials, earlier_studies


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
        return cls(
            seed=seed,
            seconds=result.seconds,
            worker_seconds=result.worker_seconds,
            utilisation=result.utilisation,
            epochs=result.epochs,
            extended=result.extended,
            completed=_ended(result.trials, "completed"),
            stopped=_ended(result.trials, "stopped"),
            failed=_ended(result.trials, "failed"),
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


def _ended(trials: Iterable[Trial], state: str) -> int:
    return sum(trial.state == state for trial in trials)
