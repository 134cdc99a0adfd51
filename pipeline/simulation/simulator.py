"""A study simulated over learning curves, with a clock that jumps from one report to the next."""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from pipeline.engine.decisions import DecisionRow
from pipeline.engine.engine import Engine
from pipeline.engine.messages import EpochRow, Report, values_in, violation_in
from pipeline.engine.reporting import ReportInterval
from pipeline.engine.trial import Trial
from pipeline.pareto import non_dominated
from pipeline.searchers import EarlierStudy
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
    front: tuple[tuple[float, ...], ...] = ()

    @property
    def worker_seconds(self) -> float:
        """Seconds of all workers from the start to the end, idle time included."""
        return self.workers * self.seconds

    @property
    def utilisation(self) -> float:
        """The share of the worker seconds in which workers held trials, from 0 to 1."""
        return self.busy / self.worker_seconds if self.seconds else 0.0

    def ended(self, state: str) -> int:
        """The number of trials in a state."""
        return sum(trial.state == state for trial in self.trials)

    @property
    def best(self) -> float | None:
        """The best value within the objectives' bounds; None if no trial that did not fail has one."""
        return self.best_curve[-1][1] if self.best_curve else None


def simulate(
    job: TuneJob,
    curves: CurveSource,
    workers: int,
    on_decision: Callable[[DecisionRow], None] | None = None,
    *,
    earlier: Sequence[EarlierStudy] = (),
) -> SimulationResult:
    """Simulate a study to its end.

    The decisions come from the code that a driver uses: which trial is drawn, stopped or promoted, and when the study
    ends. Workers report by the rule of real workers.
    """
    return _Simulation(job, curves, workers, on_decision or (lambda _: None), earlier).run()


@dataclass(slots=True)
class _Progress:
    """A trial's position on its curve."""

    curve: Curve
    segment: int
    before: int = 0
    levels: list[float] = field(default_factory=list)


class _Simulation:
    def __init__(
        self,
        job: TuneJob,
        curves: CurveSource,
        workers: int,
        on_decision: Callable[[DecisionRow], None],
        earlier: Sequence[EarlierStudy],
    ) -> None:
        self._job, self._curves, self._workers = job, curves, workers
        self._engine = Engine(job, on_decision, lambda: self._now, earlier=earlier)
        self._now = self._busy = 0.0
        self._progress: dict[str, _Progress] = {}
        self._idle = list(range(workers))
        self._without_report = set(self._idle)
        self._pending: list[tuple[float, int, int, Trial, Report]] = []
        self._order = count()
        self._extended = 0
        self._bests: list[tuple[float, Trial, float]] = []
        self._best_of_ended: float | None = None
        self._losses: dict[str, list[tuple[float, ...]]] = {}

    def run(self) -> SimulationResult:
        engine = self._engine
        while True:
            while self._idle and (trial := engine.next()) is not None:
                self._train(self._idle.pop(), trial, starts=True)
            if not self._pending:
                break
            self._now, _, worker, trial, report = heapq.heappop(self._pending)
            verdict = engine.on_report(trial.trial_id, report)
            self._record_losses(trial, report)
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
            front=self._front(),
        )

    def _train(self, worker: int, trial: Trial, *, starts: bool) -> None:
        """Train a trial up to the worker's next report, and schedule that report."""
        progress = self._progress_of(trial)
        curve = progress.curve
        first = worker in self._without_report
        interval = ReportInterval(self._job, trial.epoch, first=first, workers=self._workers)
        self._without_report.discard(worker)
        epoch, rows, seconds = trial.epoch, [], 0.0
        failure, last = None, False
        while True:
            index = progress.before + epoch - trial.segment_start
            if index >= len(curve.values):
                failure, last = curve.failure, curve.failure is None
                break
            epoch += 1
            value = curve.values[index]
            seconds += curve.seconds[index]
            self._extended += index >= curve.known
            progress.levels.append(curve.levels[index])
            others = {metric: values[index] for metric, values in curve.others.items()}
            rows.append(self._row(trial, epoch, index + 1, value, others, curve.seconds[index]))
            ended = curve.ended and index + 1 == len(curve.values)
            outcome = interval.after(rows[-1], seconds=seconds, ended=ended)
            if outcome.due:
                last = outcome.last
                break
        report = Report(rows, last=last, failure=failure)
        seconds += curve.start if starts else 0.0
        self._busy += seconds
        heapq.heappush(self._pending, (self._now + seconds, next(self._order), worker, trial, report))

    def _row(
        self, trial: Trial, epoch: int, model_epoch: int, value: float, others: Mapping[str, float], seconds: float
    ) -> EpochRow:
        return EpochRow(
            attempt=trial.attempt,
            segment=trial.segment,
            epoch=epoch,
            model_epoch=model_epoch,
            metrics={self._job.objective.metric: value, **others},
            learning_rate=None,
            seconds_build=0.0,
            seconds_train=seconds,
            seconds_evaluate=0.0,
            seconds_checkpoint=0.0,
            bytes_checkpoint=0,
            time=self._now,
            node="",
            updates=None,
            parameters=None,
            trained_with=None,
            phase=None,
        )

    def _progress_of(self, trial: Trial) -> _Progress:
        """A trial's position; after an exploit, the epoch at which the new config reaches the parent's level."""
        progress = self._progress.get(trial.trial_id)
        if progress is not None and progress.segment == trial.segment:
            return progress
        curve = self._curves.curve(int(trial.trial_id), trial.segment, trial.config)
        if progress is None:
            progress = self._progress[trial.trial_id] = _Progress(curve, trial.segment)
            return progress
        assert trial.parent_trial is not None
        assert trial.parent_epoch is not None
        parent_level = self._progress[trial.parent_trial].levels[trial.parent_epoch - 1]
        reaches, epochs = self._job.objective.reaches, self._job.budget.epochs
        age = next((epoch for epoch, level in enumerate(curve.levels, 1) if reaches(level, parent_level)), epochs)
        progress.curve, progress.segment, progress.before = curve, trial.segment, min(age, epochs)
        return progress

    def _record_losses(self, trial: Trial, report: Report) -> None:
        objectives = self._job.objectives
        if len(objectives) < 2:
            return
        for row in report.rows:
            values = values_in(row, objectives)
            if not violation_in(row, objectives) and None not in values:
                losses = (one.loss(value) for one, value in zip(objectives, values, strict=True) if value is not None)
                self._losses.setdefault(trial.trial_id, []).append(tuple(losses))

    def _front(self) -> tuple[tuple[float, ...], ...]:
        trials = self._engine.trials
        reached = [one for name, losses in self._losses.items() if trials[name].state != "failed" for one in losses]
        if not reached:
            return ()
        points = np.unique(np.array(reached, np.float64), axis=0)
        return tuple(tuple(point) for point in points[non_dominated(points)].tolist())

    def _record_best(self, trial: Trial) -> None:
        """Record a trial's best value if it may be that of the study: a better trial that is live may still fail."""
        better = self._job.objective.better
        best = trial.best
        if best is None or best.violation or not better(best.value, self._best_of_ended):
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
