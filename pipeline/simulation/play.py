"""A study played over curves: workers that finish at moments of a clock that jumps from one to the next."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from pipeline.course.course import Course
from pipeline.course.decided import DecisionRow
from pipeline.course.messages import REPORT_SECONDS, EpochRow, Report
from pipeline.course.trial import Trial
from pipeline.simulation.curves import Curve, Curves
from pipeline.study import TuneJob

__all__ = ["Played", "play"]


@dataclass(frozen=True, slots=True)
class Played:
    """What a simulated study came to.

    Args:
        workers: How many workers there were.
        seconds: When its last trial had ended.
        busy: Seconds that workers held trials, all workers together.
        epochs: Epochs trained over all trials.
        extended: Of these, epochs of which nothing was recorded.
        trials: Every trial as it ended, in the order of their draw.
        grown: When the best value got better, and to what.
        over: Which limit ended the study; None where all its trials did.
    """

    workers: int
    seconds: float
    busy: float
    epochs: int
    extended: int
    trials: tuple[Trial, ...]
    grown: tuple[tuple[float, float], ...]
    over: str | None

    @property
    def worker_seconds(self) -> float:
        """What workers are paid for: each from the beginning to the end."""
        return self.workers * self.seconds

    @property
    def utilisation(self) -> float:
        """The share of that in which they held trials."""
        return self.busy / self.worker_seconds if self.seconds else 0.0

    @property
    def best(self) -> float | None:
        """The best value; None where no trial has one."""
        return self.grown[-1][1] if self.grown else None


def play(job: TuneJob, curves: Curves, workers: int, decided: Callable[[DecisionRow], None] | None = None) -> Played:
    """Play a study to its end.

    What a driver decides is decided here by the same code: who is drawn, stopped, promoted, and when the study is over.
    A worker reports as a real one does: at milestones, at its end, and after two seconds of the clock.

    Args:
        job: The study's job.
        curves: What its trials learn.
        workers: How many train at once, at least 1.
        decided: Is told every decision, in order.
    """
    return _Play(job, curves, workers, decided or _forget).to_the_end()


def _forget(row: DecisionRow) -> None:
    """Nobody wants to know."""


@dataclass(slots=True)
class _Lane:
    """What a trial has learned.

    Args:
        curve: What it follows.
        segment: For which segment that is.
        before: Epochs its weights had been trained before that segment began.
        levels: By its own epochs, where it was without noise.
    """

    curve: Curve
    segment: int
    before: int = 0
    levels: list[float] = field(default_factory=list)


class _Play:
    def __init__(self, job: TuneJob, curves: Curves, workers: int, decided: Callable[[DecisionRow], None]) -> None:
        self._job, self._curves, self._workers = job, curves, workers
        self._course = Course(job, decided, lambda: self._now)
        self._now = self._busy = 0.0
        self._lanes: dict[str, _Lane] = {}
        self._at_work: list[tuple[float, int, Trial, Report]] = []
        self._turn = count()
        self._extended = 0
        self._grown: list[tuple[float, float]] = []

    def to_the_end(self) -> Played:
        course = self._course
        while True:
            while len(self._at_work) < self._workers and (trial := course.next()) is not None:
                self._work(trial, begins=True)
            if not self._at_work:
                break
            self._now, _, trial, report = heapq.heappop(self._at_work)
            course.hear(trial, report)
            verdict = course.judge(trial, report)
            self._note_best()
            if verdict == "continue":
                self._work(trial, begins=False)
        return Played(
            workers=self._workers,
            seconds=self._now,
            busy=self._busy,
            epochs=course.total_epochs,
            extended=self._extended,
            trials=tuple(course.trials.values()),
            grown=tuple(self._grown),
            over=course.over,
        )

    def _work(self, trial: Trial, *, begins: bool) -> None:
        """Let a worker train a trial until it has something to report, which it then does at its moment."""
        lane = self._lane(trial)
        curve, budget, objective = lane.curve, self._job.budget, self._job.objective
        milestone = self._job.scheduler.next_milestone(trial.epoch, budget.epochs)
        epoch, rows, seconds = trial.epoch, [], 0.0
        failure, last = None, False
        while True:
            at = lane.before + epoch - trial.segment_start
            if at >= len(curve.values):
                failure = curve.failure
                break
            epoch += 1
            value = curve.values[at]
            seconds += curve.seconds[at]
            self._extended += at >= curve.known
            lane.levels.append(curve.levels[at])
            rows.append(self._row(trial, epoch, at + 1, value, curve.seconds[at]))
            reached = budget.target is not None and objective.reaches(value, budget.target)
            last = epoch >= budget.epochs or reached or (curve.ended and at + 1 == len(curve.values))
            told = epoch >= milestone or seconds >= REPORT_SECONDS or budget.total_epochs is not None
            if last or told:
                break
        report = Report(tuple(rows), epoch, last=last, failure=failure)
        seconds += curve.start if begins else 0.0
        self._busy += seconds
        heapq.heappush(self._at_work, (self._now + seconds, next(self._turn), trial, report))

    def _row(self, trial: Trial, epoch: int, model_epoch: int, value: float, seconds: float) -> EpochRow:
        return EpochRow(
            attempt=trial.attempt,
            segment=trial.segment,
            epoch=epoch,
            model_epoch=model_epoch,
            metrics={self._job.objective.metric: value},
            learning_rate=None,
            seconds_build=0.0,
            seconds_train=seconds,
            seconds_evaluate=0.0,
            seconds_checkpoint=0.0,
            bytes_checkpoint=0,
            time=self._now,
            node="",
        )

    def _lane(self, trial: Trial) -> _Lane:
        """Where a trial is; with another's weights it goes on where its new config would have come as far."""
        lane = self._lanes.get(trial.trial_id)
        if lane is not None and lane.segment == trial.segment:
            return lane
        curve = self._curves.curve(int(trial.trial_id), trial.segment, trial.config)
        if lane is None:
            lane = self._lanes[trial.trial_id] = _Lane(curve, trial.segment)
            return lane
        assert trial.parent_trial is not None
        assert trial.parent_epoch is not None
        level = self._lanes[trial.parent_trial].levels[trial.parent_epoch - 1]
        reaches = self._job.objective.reaches
        age = next((at for at, one in enumerate(curve.levels, 1) if reaches(one, level)), self._job.budget.epochs)
        lane.curve, lane.segment, lane.before = curve, trial.segment, min(age, self._job.budget.epochs)
        return lane

    def _note_best(self) -> None:
        best = self._course.best
        if best is not None and best.best is not None and (not self._grown or self._grown[-1][1] != best.best):
            self._grown.append((self._now, best.best))
