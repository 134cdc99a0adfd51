"""A study simulated over learning curves, with a clock that jumps from one report to the next."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

from pipeline.engine.engine import Engine
from pipeline.engine.limits import ReportInterval
from pipeline.engine.messages import EpochRow, Report
from pipeline.engine.trial import DecisionRow, Trial
from pipeline.simulation.curves import Curve, CurveSource
from pipeline.study import TuneJob


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """The result of a simulated study."""

    seed: int
    workers: int
    seconds: float
    busy: float
    epochs: int
    extended: int
    trials: tuple[Trial, ...]
    best_curve: tuple[tuple[float, float], ...]
    end_reason: str | None

    @property
    def worker_seconds(self) -> float:
        """Seconds of all workers from the start to the end, idle time included."""
        return self.workers * self.seconds

    @property
    def utilisation(self) -> float:
        """The share of the worker seconds in which workers held trials, from 0 to 1."""
        return self.busy / self.worker_seconds if self.seconds else 0.0

    @property
    def best(self) -> float | None:
        """The best value within the objectives' bounds; None if no trial that did not fail has one."""
        return self.best_curve[-1][1] if self.best_curve else None


def simulate(
    job: TuneJob,
    curves: CurveSource,
    workers: int,
    on_decision: Callable[[DecisionRow], None] | None = None,
) -> SimulationResult:
    """Simulate a study to its end.

    The decisions come from the code that a driver uses: which trial is drawn, stopped or promoted, and when the study
    ends. Workers report by the rule of real workers.
    """
    return _Simulation(job, curves, workers, on_decision or (lambda _: None)).run()


@dataclass(slots=True)
class _Progress:
    """A trial's position on its curve."""

    curve: Curve
    segment: int
    before: int = 0
    values: list[float] = field(default_factory=list)


class _Simulation:
    def __init__(
        self,
        job: TuneJob,
        curves: CurveSource,
        workers: int,
        on_decision: Callable[[DecisionRow], None],
    ) -> None:
        self._job, self._curves, self._workers = job, curves, workers
        self._engine = Engine(job, on_decision, lambda: self._now)
        self._now = self._busy = 0.0
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
            workers=self._workers,
            seconds=self._now,
            busy=self._busy,
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
        self._busy += seconds
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
