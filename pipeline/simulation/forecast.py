"""Forecasts of a study: several schedulers, searchers and numbers of workers over the same curves."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from pipeline.loop.trial import Trial
from pipeline.simulation.curve_source import CurveSource
from pipeline.simulation.simulator import SimulationResult, simulate
from pipeline.study import TuneJob
from pipeline.study.earlier_trials import EarlierTrials, earlier_studies

__all__ = ["Forecast", "SeedResult", "Span", "forecast"]


@dataclass(frozen=True, slots=True)
class Span:
    """A number over several seeds.

    Args:
        middle: The median.
        low: The minimum.
        high: The maximum.
    """

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, numbers: Sequence[float | None]) -> "Span | None":
        """The span of some numbers; None if there are none.

        Args:
            numbers: One for each seed.
        """
        known = [number for number in numbers if number is not None]
        return cls(median(known), min(known), max(known)) if known else None


@dataclass(frozen=True, slots=True)
class SeedResult:
    """A simulated study with one seed, in numbers.

    Args:
        seed: The seed.
        seconds: Seconds from start to end.
        worker_seconds: Seconds of all workers from start to end.
        utilisation: The share of the worker seconds in which workers held trials, from 0 to 1.
        epochs: Epochs trained, summed over all trials.
        extended: How many of these epochs have no recorded value.
        completed: Number of trials that trained to their end.
        stopped: Number of trials that were stopped early.
        failed: Number of trials that failed.
        best: The best value within the objectives' bounds; None if there is none.
        best_curve: Each improvement of this value: seconds and value.
        over: The limit that ended the study; None if all its trials ended.
        front: With several objectives: the losses of its Pareto front.
    """

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
        """The numbers of a simulated study.

        Args:
            result: The study's result.
            seed: Its seed.
        """
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
    """One scheduler and one searcher with a number of workers, over several seeds.

    Args:
        job: The job as it was simulated, with the first seed.
        workers: Number of workers.
        results: The result of each seed.
    """

    job: TuneJob
    workers: int
    results: Sequence[SeedResult]

    def span(self, of: Callable[[SeedResult], float | None]) -> Span | None:
        """A number's span over the seeds; None if no seed has it.

        Args:
            of: Returns the number of a result; None if it has none.
        """
        return Span.of([of(result) for result in self.results])


def forecast(
    jobs: Iterable[TuneJob],
    workers: Sequence[int],
    curves: Callable[[TuneJob], CurveSource],
    *,
    repeats: int,
    earlier: Sequence[EarlierTrials] = (),
) -> Iterator[Forecast]:
    """Simulate jobs with several numbers of workers, one after the other.

    Args:
        jobs: The jobs; trials of jobs with one space, objective and seed have the same curves.
        workers: Numbers of workers, each at least 1.
        curves: Returns the curves of a job.
        repeats: Number of simulations of each: with the job's seed, the next one, and so on.
        earlier: Trials of earlier studies from which the searchers learn.

    Yields:
        One forecast for each job and number of workers, in that order.
    """
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
