"""Studies simulated over learning curves, with a clock that jumps from one report to the next; and tables of them."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from statistics import median
from typing import Any

from pipeline.engine.engine import Engine
from pipeline.engine.limits import ReportInterval
from pipeline.engine.messages import EpochRow, Report
from pipeline.engine.trial import DecisionRow, Trial
from pipeline.results.views.table import Column, Table
from pipeline.simulation.curves import Curve, CurveSource
from pipeline.study import TuneJob
from pipeline.text import duration, format_number


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """The result of a simulated study."""

    seed: int
    seconds: float
    epochs: int
    extended: int
    trials: tuple[Trial, ...]
    best_curve: tuple[tuple[float, float], ...]
    end_reason: str | None

    @property
    def best(self) -> float | None:
        """The best value within the objectives' bounds; None if no trial that did not fail has one."""
        return self.best_curve[-1][1] if self.best_curve else None


def simulate(
    job: TuneJob, curves: CurveSource, workers: int, on_decision: Callable[[DecisionRow], None] = lambda _: None
) -> SimulationResult:
    """Simulate a study to its end; the decisions come from the code that a driver uses."""
    return _Simulation(job, curves, workers, on_decision).run()


@dataclass(slots=True)
class _Progress:
    """A trial's position on its curve."""

    curve: Curve
    segment: int
    before: int = 0
    values: list[float] = field(default_factory=list)


class _Simulation:
    def __init__(
        self, job: TuneJob, curves: CurveSource, workers: int, on_decision: Callable[[DecisionRow], None]
    ) -> None:
        self._job, self._curves, self._workers = job, curves, workers
        self._engine = Engine(job, on_decision, lambda: self._now)
        self._now = 0.0
        self._progress: dict[str, _Progress] = {}
        self._idle = list(range(workers))
        self._without_report = set(self._idle)
        self._pending: list[tuple[float, int, int, Trial, Report]] = []
        self._order = count()
        self._extended = 0
        self._bests: list[tuple[float, Trial, float]] = []
        self._best_of_ended: float | None = None

    def run(self) -> SimulationResult:
        engine = self._engine
        while True:
            while self._idle and (trial := engine.next()) is not None:
                self._train(self._idle.pop(), trial, starts=True)
            if not self._pending:
                break
            self._now, _, worker, trial, report = heapq.heappop(self._pending)
            verdict = engine.on_report(trial.trial_id, report)
            self._record_best(trial)
            if verdict == "continue":
                self._train(worker, trial, starts=False)
            else:
                self._idle.append(worker)
        return SimulationResult(
            seed=self._job.seed,
            seconds=self._now,
            epochs=engine.total_epochs,
            extended=self._extended,
            trials=tuple(engine.trials.values()),
            best_curve=tuple(self._best_curve()),
            end_reason=engine.end_reason,
        )

    def _train(self, worker: int, trial: Trial, *, starts: bool) -> None:
        """Train a trial up to the worker's next report, and schedule that report."""
        progress = self._progress_of(trial)
        curve = progress.curve
        interval = ReportInterval(self._job, trial.epoch, first=worker in self._without_report, workers=self._workers)
        self._without_report.discard(worker)
        rows, seconds = list[EpochRow](), 0.0
        failure, last = None, False
        for epoch in count(trial.epoch + 1):
            index = progress.before + epoch - trial.segment_start - 1
            if index >= len(curve.values):
                failure, last = curve.failure, curve.failure is None
                break
            seconds += curve.seconds[index]
            self._extended += index >= curve.known
            progress.values.append(curve.values[index])
            metrics = {self._job.objective.metric: curve.values[index]}
            metrics |= {metric: values[index] for metric, values in curve.others.items()}
            row = EpochRow(
                attempt=trial.attempt, segment=trial.segment, epoch=epoch, model_epoch=index + 1, metrics=metrics,
                learning_rate=None, seconds_build=0.0, seconds_train=curve.seconds[index], seconds_evaluate=0.0,
                seconds_checkpoint=0.0, bytes_checkpoint=0, time=self._now, node="", updates=None, parameters=None,
                trained_with=None, phase=None,
            )  # fmt: skip
            rows.append(row)
            outcome = interval.after(row, seconds=seconds, ended=curve.ended and index + 1 == len(curve.values))
            if outcome.due:
                last = outcome.last
                break
        report = Report(rows, last=last, failure=failure)
        seconds += curve.start if starts else 0.0
        heapq.heappush(self._pending, (self._now + seconds, next(self._order), worker, trial, report))

    def _progress_of(self, trial: Trial) -> _Progress:
        """A trial's position; after an exploit, the epoch at which the new config reaches the parent's value."""
        progress = self._progress.get(trial.trial_id)
        if progress is not None and progress.segment == trial.segment:
            return progress
        curve = self._curves.curve(int(trial.trial_id), trial.segment, trial.config)
        if progress is None:
            progress = self._progress[trial.trial_id] = _Progress(curve, trial.segment)
            return progress
        assert trial.parent_trial is not None
        assert trial.parent_epoch is not None
        value = self._progress[trial.parent_trial].values[trial.parent_epoch - 1]
        reaches, epochs = self._job.objective.reaches, self._job.budget.epochs
        age = next((epoch for epoch, own in enumerate(curve.values, 1) if reaches(own, value)), epochs)
        progress.curve, progress.segment, progress.before = curve, trial.segment, min(age, epochs)
        return progress

    def _record_best(self, trial: Trial) -> None:
        """Record a trial's best value if it may be that of the study: a better trial that is live may still fail."""
        best = trial.best
        if best is None or best.violation or not self._job.objective.better(best.value, self._best_of_ended):
            return
        self._bests.append((self._now, trial, best.value))
        if trial.state in ("stopped", "completed"):
            self._best_of_ended = best.value

    def _best_curve(self) -> Iterator[tuple[float, float]]:
        best: float | None = None
        for seconds, trial, value in self._bests:
            if trial.state != "failed" and self._job.objective.better(value, best):
                best = value
                yield seconds, best


@dataclass(frozen=True, slots=True)
class Forecast:
    """One scheduler and one searcher with a number of workers, over several seeds."""

    job: TuneJob
    workers: int
    results: Sequence[SimulationResult]

    def middle(self, of: Callable[[SimulationResult], float | None]) -> float | None:
        """The median of a number over the seeds that have it."""
        known = [number for result in self.results if (number := of(result)) is not None]
        return median(known) if known else None


def forecast(
    jobs: Iterable[TuneJob], workers: Sequence[int], curves: Callable[[TuneJob], CurveSource], *, repeats: int
) -> Iterator[Forecast]:
    """Simulate jobs with several numbers of workers, one after the other."""
    for job in jobs:
        seeded = [job.replaced({"seed": job.seed + number}) for number in range(repeats)]
        sources = [(each, curves(each)) for each in seeded]
        for number in workers:
            yield Forecast(job, number, [simulate(each, source, number) for each, source in sources])


def forecast_table(forecasts: Sequence[Forecast], note: str, *, price: float | None) -> Table:
    """The forecasts: a row for each, with medians over the seeds, and what they mean."""
    job, repeats = forecasts[0].job, len(forecasts[0].results)
    rows = [_row(forecast, price) for forecast in forecasts]
    columns = [
        Column("scheduler", keep="whole"),
        Column("searcher", "search", keep="whole"),
        Column("workers", right=True, keep="whole"),
        Column("seconds", "time", duration, right=True, keep="whole"),
        *([Column("cost", text="{:,.2f}".format, right=True, keep="whole")] if price is not None else []),
        Column("epochs", text="{:,.0f}".format, right=True, keep="extra"),
        Column("best", f"best {job.objective.metric}", right=True, keep="whole"),
        *([Column("best_range", "of all seeds", _range, right=True, keep="whole")] if repeats > 1 else []),
    ]
    notes = [note]
    notes += [f"Each number is the median of {repeats} seeds."] if repeats > 1 else []
    results = [result for forecast in forecasts for result in forecast.results]
    if extended := sum(result.extended for result in results):
        share = extended / sum(result.epochs for result in results)
        notes.append(f"{share:.0%} of the epochs were not recorded; their values are extended.")
    notes += dict.fromkeys(result.end_reason for result in results if result.end_reason)
    notes.append("The time excludes the start of Ray and of workers, lost workers, and workers that share a machine.")
    facts = {
        "job": job.name, "objective": {"metric": job.objective.metric, "mode": job.objective.mode},
        "trials": job.budget.trials, "epochs": job.budget.epochs, "price": price, "seeds": repeats,
    }  # fmt: skip
    return Table("", columns, rows, " ".join(notes), "forecasts", facts)


def _row(forecast: Forecast, price: float | None) -> dict[str, Any]:
    bests = [result.best for result in forecast.results if result.best is not None]
    seconds = forecast.middle(lambda one: one.seconds)
    return {
        "scheduler": forecast.job.scheduler.kind,
        "searcher": forecast.job.searcher.kind,
        "workers": forecast.workers,
        "seconds": seconds,
        "cost": None if price is None else (seconds or 0) * forecast.workers / 3600 * price,
        "epochs": forecast.middle(lambda one: one.epochs),
        "best": forecast.middle(lambda one: one.best),
        "best_range": [min(bests), max(bests)] if bests else None,
    }


def _range(ends: Sequence[float] | None) -> str:
    return " to ".join(dict.fromkeys(map(format_number, ends or ()))) or "–"
