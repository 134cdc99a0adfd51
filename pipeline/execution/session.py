"""One driver session of a study: draws trials, hears their reports, decides, records. Knows no Ray and no Keras.

Ray Tune's controller and the loop of `--workers 0` drive the same object: `next` says what a free worker does, `report`
says whether it goes on.
"""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipeline.course.course import Course, Verdict
from pipeline.course.decided import DecisionRow
from pipeline.course.messages import FINISH, Assignment, Report
from pipeline.course.trial import Trial
from pipeline.errors import ModelError, StorageError, TunepipeError
from pipeline.execution.more import give_more
from pipeline.execution.recorder import Recorder
from pipeline.execution.retention import Retention
from pipeline.execution.sources import draws_of, scheduler_of
from pipeline.execution.watch import Watch
from pipeline.execution.winners_turn import WinnersTurn
from pipeline.storage import Store
from pipeline.study import TuneJob

__all__ = ["MAX_LOSSES", "Session"]

MAX_LOSSES = 4
"""So many workers lost without a new epoch in between, and a trial has failed: it may be the trial itself that kills
them. One that gets on may lose any number: machines are taken away."""


class Session:
    """The study as its driver knows it.

    Args:
        job: What is tuned.
        store: The study's folder.
        recorder: Who writes the tables.
    """

    def __init__(self, job: TuneJob, store: Store, recorder: Recorder) -> None:
        self._job, self._recorder = job, recorder
        self.course = Course(
            job, recorder.decision, lambda: recorder.seconds, build=scheduler_of(job), draw=draws_of(job)
        )
        self._retention = Retention(store, job, self.course.scheduler, recorder.check)
        self.watch = Watch(job.resources)
        self.epochs_before = 0
        self.first_epoch_at: float | None = None
        self.fatal: TunepipeError | None = None
        self.winner = WinnersTurn(wanted=job.model is not None, attempts=MAX_LOSSES)
        self._sweep_due = False

    @property
    def trials(self) -> dict[str, Trial]:
        """All trials by id, in the order of their draw."""
        return self.course.trials

    @property
    def best(self) -> Trial | None:
        """The study's best trial; None as long as there is none."""
        return self.course.best

    @property
    def limit(self) -> int:
        """How many trials the study has at most."""
        return self.course.limit

    @property
    def total_epochs(self) -> int:
        """Epochs trained over all trials."""
        return self.course.total_epochs

    @property
    def over(self) -> str | None:
        """Why the study is over before all its trials are; None where it is not."""
        return self.course.over

    @property
    def interrupted(self) -> bool:
        """Whether this session ended before the study."""
        return self.course.interrupted

    @property
    def job(self) -> TuneJob:
        """What is tuned."""
        return self._job

    @property
    def workers(self) -> int | None:
        """How many trials this session trains at once at most; None as long as nobody knows."""
        return self._recorder.workers

    @workers.setter
    def workers(self, count: int) -> None:
        self._recorder.workers = count

    @property
    def number(self) -> int:
        """This driver session's number, from 1."""
        return self._recorder.session

    @property
    def seconds(self) -> float:
        """Seconds that a driver of this study was alive."""
        return self._recorder.seconds

    @property
    def ended(self) -> bool:
        """Whether nothing will run any more, whatever Ray Tune still thinks of paused trials."""
        pending = not self.winner.done and self.best is not None and self.fatal is None
        over = self.over is not None or self.course.exhausted
        return self.interrupted or (over and not self.course.running and not pending)

    def next(self) -> Assignment | None:
        """What a free worker does next; None if there is nothing to do now.

        Nothing to do while no trial is running means that the study has ended.
        """
        before = self.course.exhausted
        if (trial := self.course.next()) is not None:
            return self.assignment(trial.trial_id)
        if self.course.exhausted and not before:
            self._retention.sweep(self.trials, self.best)
        return self._last_assignment()

    def report(self, trial_id: str, report: Report) -> Verdict:
        """A worker's report.

        Returns:
            `continue` the trial; `pause` it: a later `next` may choose it again; or `stop` it for good.
        """
        if self.winner.given:
            self.watch.hear(FINISH)
            return "stop" if self.winner.hear(report) else "continue"
        self.watch.hear(trial_id, report.rows)
        trial = self.trials[trial_id]
        self._record(trial, report)
        if report.stuck is not None:
            # The trial itself is all right: it goes on when the study is resumed, or with the driver that took over.
            self._recorder.check()
            raise StorageError(report.stuck)
        if report.unusable is not None and self.total_epochs <= len(report.rows):
            self.fatal = ModelError(report.unusable)
            self.course.over = report.unusable
        segment = trial.segment
        verdict = self.course.judge(trial, report)
        if trial.segment != segment:
            # The next segment's checkpoints hold no rows of this one: they must not be lost with the driver.
            self._recorder.flush_state(self.state())
        self._retention.after_report(trial, self.trials, self.best)
        if self._sweep_due:
            self._retention.sweep(self.trials, self.best)
        # Its worker may leave one more checkpoint when the trial is taken from it: looked at with the next report.
        self._sweep_due = verdict != "continue"
        self.beat()
        return verdict

    def lost(self, trial_id: str, message: str) -> Assignment | None:
        """A trial's worker is gone.

        Args:
            trial_id: The trial.
            message: Why, as far as anybody knows; a sentence.

        Returns:
            What another worker is told: the trial goes on from its newest checkpoint. None after too many losses, and
            where the trial is not running any more.
        """
        if self.winner.given:
            return self.winner.lost(message)
        trial = self.trials[trial_id]
        if trial.state != "running":
            return None
        trial.losses += 1
        if trial.losses >= MAX_LOSSES:
            self.course.fail(trial, f"Its worker was lost {MAX_LOSSES} times without a new epoch, last: {message}")
            return None
        trial.attempt += 1
        reason = f"Its worker was lost: {message} Attempt {trial.attempt}."
        self._recorder.decision(DecisionRow(trial_id, trial.epoch, "retry", reason))
        return self.assignment(trial_id)

    def losses_left(self, trial_id: str) -> int:
        """How many more workers may be lost, one after the other, before what a trial's worker does is given up."""
        return self.winner.left if self.winner.given else MAX_LOSSES - 1 - self.trials[trial_id].losses

    def assignment(self, trial_id: str) -> Assignment:
        """What a trial's worker is told, as things stand now."""
        return self.trials[trial_id].assignment()

    def beat(self) -> None:
        """The driver is alive: write what has gathered, if the time has come."""
        self._recorder.flush_if_due(self.state)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Keep an error of tunepipe's own, a full disk say, until Ray's controller has let go: the study ends by it."""
        try:
            yield
        except TunepipeError as error:
            self.fatal = self.fatal or error
            self.course.over = str(error)
            self.interrupt()

    def interrupt(self) -> None:
        """End the session now: what is running is paused and goes on when the study is resumed."""
        self.course.interrupt()

    def state(self) -> dict[str, Any]:
        """What a resumed study needs beside the tables, as JSON values."""
        return self.course.state()

    def restore(self, state: Mapping[str, Any], *, budget_before: int) -> None:
        """Go on from what `state` returned in an earlier session.

        Args:
            state: The state.
            budget_before: A trial's maximum in that session: who had reached it goes on where there is more now.
        """
        grown = budget_before if budget_before < self._job.budget.epochs else None

        def more(trials: Collection[Trial]) -> None:
            give_more(trials, self._retention, self._recorder, grown=grown, over=self.over is not None)

        self.course.restore(state, more)
        self.epochs_before = self.total_epochs

    def _last_assignment(self) -> Assignment | None:
        if self.course.running or self.best is None or self.interrupted or self.fatal is not None:
            return None
        return self.winner.take(self.best)

    def _record(self, trial: Trial, report: Report) -> None:
        self._recorder.epochs(trial.trial_id, trial.config, report.rows)
        if self.first_epoch_at is None and report.rows:
            self.first_epoch_at = time.monotonic()
        self.course.hear(trial, report)
