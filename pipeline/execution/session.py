"""One driver session of a study: draws trials, hears their reports, decides, records. Knows no Ray and no Keras.

Ray Tune's controller and the loop of `--workers 0` drive the same object: `next` says what a free worker does, `report`
says whether it goes on.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from pipeline.errors import ModelError, StorageError, TunepipeError
from pipeline.execution.limits import alike, spent
from pipeline.execution.messages import Assignment, Report
from pipeline.execution.more import give_more
from pipeline.execution.recorder import DecisionRow, Recorder, decision_row, exploit_rows
from pipeline.execution.retention import Retention
from pipeline.execution.standing import Standing
from pipeline.execution.trial import Trial
from pipeline.execution.turns import Turns
from pipeline.execution.watch import Watch
from pipeline.execution.winners_turn import WinnersTurn
from pipeline.schedulers import Decision, Setting
from pipeline.storage import Store
from pipeline.study import TuneJob
from pipeline.study.drawing import trials_in_all

__all__ = ["MAX_LOSSES", "Session", "Verdict"]

Verdict = Literal["continue", "pause", "stop"]

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
        setting = Setting(
            space=job.space,
            mode=job.objective.mode,
            epochs=job.budget.epochs,
            trials=trials_in_all(job),
            seed=job.seed,
        )
        self._scheduler = job.scheduler.build(setting)
        self._retention = Retention(store, job, self._scheduler)
        self._standing = Standing(job.objective)
        self.watch = Watch(job.resources)
        self.trials: dict[str, Trial] = {}
        self._turns = Turns(job, self._scheduler, recorder, self.trials, limit=setting.trials)
        self.total_epochs = 0
        self.epochs_before = 0
        self.first_epoch_at: float | None = None
        self.over: str | None = None
        self.interrupted = False
        self.fatal: TunepipeError | None = None
        self.winner = WinnersTurn(wanted=job.model is not None, attempts=MAX_LOSSES)
        self._sweep_due = False
        self._exhausted = False
        self._limit = setting.trials

    @property
    def best(self) -> Trial | None:
        """The study's best trial; None as long as there is none."""
        return self._standing.best

    @property
    def limit(self) -> int:
        """How many trials the study has at most."""
        return self._limit

    @property
    def job(self) -> TuneJob:
        """What is tuned."""
        return self._job

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
        over = self.over is not None or self._exhausted
        return self.interrupted or (over and not self._running and not pending)

    @property
    def _running(self) -> bool:
        return any(trial.state == "running" for trial in self.trials.values())

    def next(self) -> Assignment | None:
        """What a free worker does next; None if there is nothing to do now.

        Nothing to do while no trial is running means that the study has ended.
        """
        self._check_budget()
        if self.over is None:
            if (trial := self._turns.take()) is not None:
                return self.assignment(trial.trial_id)
            if not self._running:
                self._exhausted = True
                if self._turns.exhaust():
                    self._retention.sweep(self.trials, self.best)
        if self.over is not None and not self.interrupted:
            self._turns.cut_off(self.over)
        return self._last_assignment()

    def report(self, trial_id: str, report: Report) -> Verdict:
        """A worker's report.

        Returns:
            `continue` the trial; `pause` it: a later `next` may choose it again; or `stop` it for good.
        """
        if self.winner.given:
            self.watch.hear(trial_id)
            return "stop" if self.winner.hear(report) else "continue"
        self.watch.hear(trial_id, report.rows)
        trial = self.trials[trial_id]
        self._record(trial, report)
        if report.stuck is not None:
            # The trial itself is all right: it goes on when the study is resumed, or with the driver that took over.
            self._recorder.check()
            raise StorageError(report.stuck)
        verdict = self._judge(trial, report)
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
            What another worker is told: the trial goes on from its newest checkpoint. None after too many losses.
        """
        if self.winner.given:
            return self.winner.lost(message)
        trial = self.trials[trial_id]
        trial.losses += 1
        if trial.losses >= MAX_LOSSES:
            self._fail(trial, f"Its worker was lost {MAX_LOSSES} times without a new epoch, last: {message}")
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
            self.interrupted, self.over = True, str(error)

    def interrupt(self) -> None:
        """End the session now: what is running is paused and goes on when the study is resumed."""
        self.interrupted = True
        self.over = self.over or "The study was interrupted."
        for trial in self.trials.values():
            if trial.state == "running":
                trial.state = "paused"
                self._recorder.decision(DecisionRow(trial.trial_id, trial.epoch, "pause", self.over))

    def state(self) -> dict[str, Any]:
        """What a resumed study needs beside the tables, as JSON values."""
        return {
            "trials": [trial.to_json() for trial in self.trials.values()],
            "scheduler": self._scheduler.state(),
        }

    def restore(self, state: Mapping[str, Any], *, epochs_before: int) -> None:
        """Go on from what `state` returned in an earlier session.

        Args:
            state: The state.
            epochs_before: A trial's maximum in that session: who had reached it goes on where there is more now.
        """
        self._scheduler.restore(state["scheduler"])
        for fields in state["trials"]:
            trial = Trial.from_json(fields)
            self.trials[trial.trial_id] = trial
            self.total_epochs += trial.epoch
            self._standing.compare(trial)
        self.epochs_before = self.total_epochs
        self._check_budget()
        grown = epochs_before if epochs_before < self._job.budget.epochs else None
        give_more(self.trials.values(), self._retention, self._recorder, grown=grown, over=self.over is not None)

    def _last_assignment(self) -> Assignment | None:
        if self._running or self.best is None or self.interrupted or self.fatal is not None:
            return None
        return self.winner.take(self.best)

    # Judging

    def _record(self, trial: Trial, report: Report) -> None:
        self._recorder.epochs(trial.trial_id, trial.config, report.rows)
        if self.first_epoch_at is None and report.rows:
            self.first_epoch_at = time.monotonic()
        self.total_epochs += sum(row.epoch > trial.epoch for row in report.rows)
        if report.epoch > trial.epoch:
            trial.losses = 0
        self._standing.record(trial, report.rows)
        trial.epoch = max(trial.epoch, report.epoch)
        trial.checkpoints.update(report.checkpoints)

    def _judge(self, trial: Trial, report: Report) -> Verdict:
        if report.unusable is not None and self.total_epochs <= len(report.rows):
            self.fatal = ModelError(report.unusable)
            self.over = report.unusable
        if (failure := report.failure or report.unusable) is not None:
            return self._fail(trial, failure)
        decision = self._decided(trial, report)
        if report.last:
            whole = trial.epoch >= self._job.budget.epochs
            reason = (
                "All its epochs are trained." if whole else "It ended before: a callback, its function, or the target."
            )
            return self._end(trial, "completed", decision_row(trial, "finish", decision, reason))
        self._check_budget()
        if self.over is not None and not self.interrupted:
            trial.cut_off = True
            return self._end(trial, "stopped", decision_row(trial, "stop", Decision("stop", self.over)))
        return self._follow(trial, decision)

    def _decided(self, trial: Trial, report: Report) -> Decision:
        """Tell the scheduler every milestone of the report, in order: after a restart there may be several."""
        decision = Decision("continue", "Between two milestones.")
        metric, epochs = self._job.objective.metric, self._job.budget.epochs
        for row in report.rows:
            if self._job.scheduler.next_milestone(row.epoch - 1, epochs) == row.epoch:
                decision = self._scheduler.report(trial.trial_id, row.epoch, row.metrics[metric])
            if decision.action != "continue":
                break
        return decision

    def _follow(self, trial: Trial, decision: Decision) -> Verdict:
        if decision.action == "continue":
            return "continue"
        if decision.action == "stop":
            return self._end(trial, "stopped", decision_row(trial, "stop", decision))
        if decision.action == "exploit":
            for row in exploit_rows(trial, decision):
                self._recorder.decision(row)
            trial.exploit(decision)
        else:
            self._recorder.decision(decision_row(trial, "pause", decision))
        trial.state = "paused"
        if decision.action == "exploit":
            # The next segment's checkpoints hold no rows of this one: they must not be lost with the driver.
            self._recorder.flush_state(self.state())
        return "pause"

    def _fail(self, trial: Trial, failure: str) -> Verdict:
        what = DecisionRow(trial.trial_id, trial.epoch, "fail", failure, value=trial.value)
        verdict = self._end(trial, "failed", what)
        trial.error = failure.splitlines()[0]
        if trial is self.best:
            self._standing.reconsider(self.trials.values())
        self.over = self.over or alike(self._job, self.trials.values())
        return verdict

    def _end(self, trial: Trial, state: Literal["stopped", "completed", "failed"], row: DecisionRow) -> Verdict:
        self._turns.end(trial, state, row)
        return "stop"

    # Limits

    def _check_budget(self) -> None:
        best = self.best.best if self.best else None
        self.over = self.over or spent(self._job, seconds=self.seconds, epochs=self.total_epochs, best=best)
