"""The decisions of a study: it draws trials, receives their reports and decides. Sessions and simulations drive it.

It has no clock: the caller provides the seconds, of a real or a simulated clock.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Literal

from pipeline.engine.command_state import CommandState
from pipeline.engine.decision_rows import DecisionRow, decision_row, exploit_rows
from pipeline.engine.draws import Draw, own_draw
from pipeline.engine.incumbent import Incumbent
from pipeline.engine.limits import common_failure, exhausted_budget
from pipeline.engine.messages import ProgressReport
from pipeline.engine.milestones import decision_at_milestones, record_milestones
from pipeline.engine.reporting import is_over
from pipeline.engine.scheduler_context import scheduler_context
from pipeline.engine.trial import Trial
from pipeline.engine.trial_queue import TrialQueue
from pipeline.schedulers import Decision, Scheduler, SchedulerContext
from pipeline.searchers import EarlierStudy
from pipeline.study import TuneJob

Verdict = Literal["continue", "pause", "stop"]


class StudyLoop:
    """The state of every trial, and the next decision about each."""

    def __init__(
        self,
        job: TuneJob,
        on_decision: Callable[[DecisionRow], None],
        seconds: Callable[[], float],
        *,
        build: Callable[[SchedulerContext], Scheduler] | None = None,
        draw: Draw | None = None,
        earlier: Sequence[EarlierStudy] = (),
    ) -> None:
        self._on_decision = on_decision
        self.seconds = seconds
        """Returns the seconds that the study has taken."""
        self.job = job
        """The study's job, with its current budget."""
        self.trials: dict[str, Trial] = {}
        self.commands = CommandState()
        self.scheduler = (build or job.scheduler.build)(scheduler_context(job))
        self.incumbent = Incumbent(job.objectives)
        self.queue = TrialQueue(
            job,
            self.scheduler,
            self.trials,
            draw=draw or own_draw(job, earlier),
            enqueued=self.commands.enqueued,
        )
        self.takes_configs = draw is None
        """Whether configs can be enqueued: a searcher of Ray Tune accepts only its own."""
        self.changed: set[str] = set()
        """Trials with a report, a decision or another state since `written` took note of theirs."""
        self.total_epochs = 0
        """Epochs trained, summed over all trials."""
        self.end_reason: str | None = None
        """Why the study ends before all its trials are trained, as a sentence; None if it does not."""
        self.interrupted = False
        """Whether the study was interrupted: its paused trials continue when it is resumed."""
        self.exhausted = False
        """Whether all trials were drawn and have ended."""

    @property
    def paused(self) -> str | None:
        """Why a user has paused the study, in words; None if it is not paused, or has ended."""
        return self.commands.paused if self.end_reason is None else None

    @property
    def over(self) -> bool:
        """Whether the study ends: no trial starts, though some may run until their next reports."""
        return self.end_reason is not None or self.exhausted

    @property
    def drawn(self) -> int:
        """Number of trials that are drawn, those of enqueued configs included."""
        return len(self.trials) + len(self.commands.enqueued)

    def next(self) -> Trial | None:
        """The trial that a free worker starts or continues; None if there is none now.

        None while no trial is running means that the study has ended, unless it is paused: then no trial is live.
        """
        self.check_budget()
        if self._all_fail():
            # A running trial may still show that not all of them fail.
            return None
        if self.paused is not None:
            return None
        if self.end_reason is None:
            trial, rows = self.queue.take()
            self.publish(*rows)
            if trial is not None:
                return trial
            if not self.queue.running:
                self.exhausted = True
                self.publish(*self.queue.exhaust())
        if self.end_reason is not None and not self.interrupted:
            self.publish(*self.queue.cut_off(self.end_reason))
        return None

    def on_report(self, trial: Trial, report: ProgressReport) -> None:
        """Record the epochs of a report."""
        self.changed.add(trial.trial_id)
        self.total_epochs += sum(row.epoch > trial.epoch for row in report.rows)
        if report.epoch > trial.epoch:
            trial.worker_failures = 0
        if self.incumbent.record(trial, report.rows):
            self.incumbent.reconsider(self.trials.values())
        record_milestones(self.job, trial, report)
        trial.epoch = max(trial.epoch, report.epoch)
        trial.finished = trial.finished or report.finished
        trial.checkpoints.update(report.checkpoints)
        for trial_id, epoch, _ in report.left:
            self.changed.add(trial_id)
            self.trials[trial_id].checkpoints.add(epoch)

    def judge(self, trial: Trial, report: ProgressReport) -> Verdict:
        """Decide whether a trial continues after a report that `on_report` has recorded."""
        if (failure := report.failure or report.unusable) is not None:
            return self.fail(trial, failure)
        if report.finishing:
            return "continue"
        decision = decision_at_milestones(self.job, self.scheduler, trial, report)
        if report.last:
            complete = is_over(self.job.budget, trial.epoch)
            early = "It ended early, by a callback, its function or the target."
            reason = "All its epochs are trained." if complete else early
            return self._end(trial, "completed", decision_row(trial, "finish", decision, reason))
        self.check_budget()
        if trial.stop_reason is not None:
            return self._stop(trial, trial.stop_reason)
        # Also where the study is over: the scheduler's state has its decision, and the study may get a larger budget.
        verdict = self._follow(trial, decision)
        if self.end_reason is not None and not self.interrupted and trial.live:
            trial.cut_off = True
            return self._stop(trial, self.end_reason)
        if verdict == "continue" and self.paused is not None:
            self.publish(DecisionRow(trial.trial_id, trial.epoch, "pause", self.paused))
            self.queue.pause(trial)
            return "pause"
        return verdict

    def fail(self, trial: Trial, failure: str) -> Verdict:
        """End a trial that cannot continue."""
        row = DecisionRow(trial.trial_id, trial.epoch, "fail", failure, value=trial.value)
        verdict = self._end(trial, "failed", row)
        trial.error = failure.splitlines()[0]
        if trial is self.incumbent.best:
            self.incumbent.reconsider(self.trials.values())
        self._all_fail()
        return verdict

    def retry(self, trial: Trial, reason: str) -> None:
        """Let another worker resume a trial whose worker is lost."""
        trial.attempt += 1
        row = DecisionRow(trial.trial_id, trial.epoch, "retry", f"{reason} Attempt {trial.attempt}.")
        self.publish(row)

    def end(self, reason: str) -> None:
        """End the study: no trial starts, and running ones end at their next reports."""
        self.end_reason = reason

    def interrupt(self) -> None:
        """Interrupt the study: running trials are paused, and continue when it is resumed."""
        self.interrupted = True
        self.end_reason = self.end_reason or "The study was interrupted."
        for trial in list(self.queue.live):
            if trial.state == "running":
                self.queue.pause(trial)
                self.publish(DecisionRow(trial.trial_id, trial.epoch, "pause", self.end_reason))

    def stop(self, trial: Trial, reason: str) -> None:
        """Stop a live trial permanently: at its next report if it runs, otherwise now."""
        if trial.state == "running":
            trial.stop_reason = reason
            self.changed.add(trial.trial_id)
        else:
            self._stop(trial, reason)

    def adopt(self, job: TuneJob) -> None:
        """Continue with another budget of trials, epochs of the study, or seconds."""
        self.job = job
        self.queue.adopt(job)
        self.scheduler.limit_trials(self.queue.limit)
        self.check_budget()

    def check_budget(self) -> None:
        """End the study if one of its limits is reached."""
        self.end_reason = self.end_reason or exhausted_budget(
            self.job, seconds=self.seconds(), epochs=self.total_epochs, best=self.incumbent.best
        )

    def add(self, trial: Trial) -> None:
        """Add a trial of an earlier session; trials are added in the order of their draw."""
        self.trials[trial.trial_id] = trial
        self.changed.add(trial.trial_id)
        self.total_epochs += trial.epoch
        self.incumbent.compare(trial)

    def requeue(self) -> None:
        """Queue the paused trials of a restored study."""
        self.queue.rebuild()
        for trial in list(self.queue.live):
            if trial.stop_reason is not None:
                self._stop(trial, trial.stop_reason)

    def written(self, trials: Collection[str], *, pruned: Collection[str] = ()) -> None:
        """Record that the state of trials is written, so that they no longer count as changed."""
        self.changed = (self.changed - set(trials)) | set(pruned)

    def publish(self, *rows: DecisionRow) -> None:
        """Pass decisions to the receiver, and mark their trials as changed."""
        for row in rows:
            if row.trial_id is not None:
                self.changed.add(row.trial_id)
            self._on_decision(row)

    def _all_fail(self) -> bool:
        """Whether the first trials have the same error and a running trial decides; ends the study if none runs."""
        if self.end_reason is not None or (failure := common_failure(self.job, self.trials.values())) is None:
            return False
        if not self.queue.running:
            self.end_reason = failure
        return self.end_reason is None

    def _stop(self, trial: Trial, reason: str) -> Verdict:
        return self._end(trial, "stopped", decision_row(trial, "stop", Decision("stop", reason)))

    def _follow(self, trial: Trial, decision: Decision) -> Verdict:
        if decision.action == "continue":
            return "continue"
        if decision.action == "stop":
            return self._end(trial, "stopped", decision_row(trial, "stop", decision))
        rows: Iterable[DecisionRow] = [decision_row(trial, "pause", decision)]
        if decision.action == "exploit":
            rows = exploit_rows(trial, decision)
            trial.exploit(decision)
        self.publish(*rows)
        self.queue.pause(trial)
        return "pause"

    def _end(self, trial: Trial, state: Literal["stopped", "completed", "failed"], row: DecisionRow) -> Verdict:
        self.publish(row)
        self.queue.end(trial, state)
        return "stop"
