"""What a study would come to: several schedulers, searchers and numbers of workers over the same curves."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from pipeline.course.trial import Trial
from pipeline.simulation.curves import Curves
from pipeline.simulation.play import Played, play
from pipeline.study import TuneJob

__all__ = ["Forecast", "Once", "Span", "forecast"]


@dataclass(frozen=True, slots=True)
class Span:
    """A number over several seeds.

    Args:
        middle: The median.
        low: The least.
        high: The greatest.
    """

    middle: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Once:
    """A simulated study with one seed, in numbers.

    Args:
        seed: The seed.
        seconds: From its beginning to its end.
        worker_seconds: That for all workers together.
        utilisation: The share of it in which they held trials, from 0 to 1.
        epochs: Epochs trained over all trials.
        extended: Of these, epochs of which nothing was recorded.
        completed: Trials that trained to their end.
        stopped: Trials that were stopped before.
        failed: Trials that failed.
        best: The best value; None where there is none.
        grown: When the best value got better, in seconds, and to what.
        over: Which limit ended the study; None where all its trials did.
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
    grown: Sequence[tuple[float, float]]
    over: str | None

    @classmethod
    def of(cls, played: Played, seed: int) -> "Once":
        """What a played study came to."""
        return cls(
            seed=seed,
            seconds=played.seconds,
            worker_seconds=played.worker_seconds,
            utilisation=played.utilisation,
            epochs=played.epochs,
            extended=played.extended,
            completed=_ended(played.trials, "completed"),
            stopped=_ended(played.trials, "stopped"),
            failed=_ended(played.trials, "failed"),
            best=played.best,
            grown=played.grown,
            over=played.over,
        )


@dataclass(frozen=True, slots=True)
class Forecast:
    """One scheduler and one searcher with so many workers, over several seeds.

    Args:
        job: The job as it was simulated, with the first seed.
        workers: How many trained at once.
        times: What it came to with each seed.
    """

    job: TuneJob
    workers: int
    times: Sequence[Once]

    def span(self, of: Callable[[Once], float | None]) -> Span | None:
        """A number's span over the seeds; None where no seed has it.

        Args:
            of: Gives the number.
        """
        found = [number for once in self.times if (number := of(once)) is not None]
        return Span(median(found), min(found), max(found)) if found else None


def forecast(
    jobs: Iterable[TuneJob], workers: Sequence[int], curves: Callable[[TuneJob], Curves], *, repeats: int
) -> Iterator[Forecast]:
    """Simulate jobs with several numbers of workers, one after the other.

    Args:
        jobs: The jobs: with one space, objective and seed their trials learn alike.
        workers: Numbers of workers, each at least 1.
        curves: What a job's trials learn.
        repeats: How often each is simulated: with the job's seed, the next one, and so on.
    """
    for job in jobs:
        seeded: list[tuple[TuneJob, Curves]] = []
        for number in range(repeats):
            one = job.replaced({"seed": job.seed + number})
            seeded.append((one, curves(one)))
        for count in workers:
            times = [Once.of(play(one, learned, count), one.seed) for one, learned in seeded]
            yield Forecast(job, count, times)


def _ended(trials: Iterable[Trial], state: str) -> int:
    return sum(trial.state == state for trial in trials)
