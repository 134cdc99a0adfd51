"""One driver session of a study: it assigns trials to workers, takes their reports, decides, and records.

Ray Tune's controller and the loop of `--workers 0` drive the same object: `next` is the next assignment for a free
worker, `on_report` decides whether the trial continues. It uses neither Ray nor Keras.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.engine.command_execution import execute_new, execute_waiting
from pipeline.engine.decision_rows import study_row
from pipeline.engine.draws import Draw
from pipeline.engine.messages import FINISH, Assignment, ProgressReport
from pipeline.engine.resume_state import ResumeState, restore
from pipeline.engine.study_loop import StudyLoop, Verdict
from pipeline.engine.trial import Trial
from pipeline.errors import ModelError, StorageError, TunepipeError
from pipeline.execution.driver.checkpoint_pruner import CheckpointPruner
from pipeline.execution.driver.command_inbox import CommandInbox
from pipeline.execution.driver.extend_trials import extend_trials
from pipeline.execution.driver.final_evaluation import FinalEvaluation
from pipeline.execution.driver.flush_timing import FlushTiming
from pipeline.execution.driver.hang_detection import HangDetection
from pipeline.execution.driver.record import Recorder
from pipeline.execution.driver.session_notes import SessionNotes
from pipeline.execution.driver.training_rate import TrainingRate
from pipeline.execution.driver.worker_failures import MAX_WORKER_FAILURES, WorkerFailures
from pipeline.execution.interrupts import Interrupts
from pipeline.schedulers import Scheduler, SchedulerContext
from pipeline.storage import Store
from pipeline.study import TuneJob
from pipeline.study.earlier_trials import EarlierTrials, earlier_studies
from pipeline.study.files import save_job
from pipeline.study.trial_configs import all_tried

_STOPPED = "A user stopped the study."


class Session:
    """A study as its driver knows it."""

    def __init__(
        self,
        job: TuneJob,
        store: Store,
        recorder: Recorder,
        *,
        build_scheduler: Callable[[SchedulerContext], Scheduler] | None = None,
        draw: Draw | None = None,
        earlier: Sequence[EarlierTrials] = (),
        interrupts: Interrupts | None = None,
        note: Callable[[str], None] | None = None,
    ) -> None:
        self.job, self.recorder, self.file, self._store = job, recorder, recorder.lease, store
        self.loop = StudyLoop(
            job,
            recorder.add_decision,
            lambda: self.file.seconds,
            build=build_scheduler,
            draw=draw,
            earlier=earlier_studies(job, earlier),
        )
        self.hang_detection = HangDetection(job.resources, workers=lambda: recorder.facts["workers"] or 1)
        self.final_evaluation = FinalEvaluation(wanted=job.model is not None, attempts=MAX_WORKER_FAILURES)
        self.worker_failures = WorkerFailures(self.loop, self.final_evaluation)
        self.rate = TrainingRate()
        self.interrupts, self.notes = interrupts, SessionNotes(store, note)
        self.fatal: TunepipeError | None = None
        """The error that ended the study; None if there is none."""
        self._pruner = CheckpointPruner(store, job, self.loop.scheduler, self.loop.trials, self.file.check_again)
        self._resume_state, self._flush_timing = ResumeState(self.loop), FlushTiming()
        self._inbox = CommandInbox(store)
        self._assigned: set[str] = set()
        self._outcomes: dict[str, str] = {}
        """Outcomes of commands that are not reported yet."""

    @property
    def end_reason(self) -> str:
        """Why the study ended before its budget of trials was spent; empty if it did not."""
        return self.loop.end_reason or all_tried(self.job, len(self.loop.trials)) or ""

    @property
    def ended(self) -> bool:
        """Whether nothing will run again, even if Ray Tune still has paused trials."""
        loop = self.loop
        pending = not self.final_evaluation.done and loop.incumbent.best is not None and self.fatal is None
        return loop.interrupted or (loop.over and not loop.queue.running and not pending)

    @property
    def interrupt_requested(self) -> bool:
        """Whether a signal or a user has asked the study to end before its budget is spent."""
        return self.loop.interrupted or (self.interrupts is not None and self.interrupts.requested)

    def next(self) -> Assignment | None:
        """The next assignment for a free worker."""
        loop = self.loop
        if (trial := loop.next()) is not None:
            return trial.assignment(new=self._is_new(trial))
        if loop.queue.running or loop.interrupted or loop.paused is not None or self.fatal is not None:
            return None
        best = loop.incumbent.best
        return None if best is None else self.final_evaluation.take(best)

    def on_report(self, trial_id: str, report: ProgressReport) -> Verdict:
        """Take a worker's report."""
        if report.data:
            self.recorder.add_data(report.data)
        if self.final_evaluation.assigned:
            self.hang_detection.on_report(FINISH)
            return "stop" if self.final_evaluation.on_report(report) else "continue"
        self.hang_detection.on_report(trial_id, report.rows, finishing=report.finishing)
        loop, trial = self.loop, self.loop.trials[trial_id]
        self.recorder.add_epochs(trial_id, trial.config, report.rows)
        if report.node is not None:
            self.recorder.add_node(report.node)
        self.notes.on_report(report)
        before = loop.total_epochs
        loop.on_report(trial, report)
        self.rate.on_report(loop.total_epochs - before, time.monotonic())
        self._pruner.on_report(trial_id, report)
        if report.stuck is not None:
            # The trial itself is intact: a resume continues it, or the driver that has taken over.
            self.file.check()
            raise StorageError(report.stuck)
        if report.unusable is not None and loop.total_epochs <= len(report.rows):
            self.fatal = ModelError(f"Trial {trial_id}: {report.unusable}")
            loop.end(report.unusable)
        segment = trial.segment
        verdict = loop.judge(trial, report)
        if trial.segment != segment:
            # A driver that resumes from an earlier state may begin another segment of the same number.
            trial.segment_session = self.file.number
        self.beat()
        return verdict

    def begin(self) -> None:
        """Take the session's number: from now on the study is this driver's."""
        self.recorder.begin(self._resume_state.texts())

    def flush(self) -> None:
        """Write the new rows and the state of the study; then delete the checkpoints that nothing needs."""
        changed = frozenset(self.loop.changed)
        with self._flush_timing.flushing():
            self.recorder.flush(self._resume_state.texts(changed))
            pruned = self._pruner.prune(changed, self.loop.incumbent.best)
        self.loop.written(changed, pruned=pruned)

    def clear(self) -> None:
        """Delete the checkpoints that nothing needs, including those that workers have left without a report."""
        if changed := self._pruner.list_storage():
            # The state has them first: a driver that resumes from it finds all that it names.
            self.loop.changed |= changed
            self.flush()
        self._pruner.prune(self.loop.trials, self.loop.incumbent.best, unknown=True)

    def beat(self) -> None:
        """Write new rows and the heartbeat if that is due, and end the session if a user has requested it."""
        if self._flush_timing.due or self._pruner.overdue:
            self.flush()
        else:
            self.recorder.beat()
        if self.loop.paused is not None:
            self.rate.pause()
        if not self.loop.interrupted and self.file.stop_requested():
            self.notes.stop_requested()
            self.interrupt()
        self.execute_commands()

    def interrupt(self) -> None:
        """Interrupt the study because of a signal or a request, and record it if a user has requested it."""
        # On the driver's own machine, `tunepipe stop` sends a signal, too.
        if self.loop.end_reason is None and self.file.stop_requested(immediately=True):
            self.loop.end(_STOPPED)
            self.loop.publish(study_row("pause", _STOPPED))
        self.loop.interrupt()

    def end_by(self, error: TunepipeError) -> None:
        """End the session because of an error, such as a full disk; the first one counts."""
        self.fatal = self.fatal or error
        self.loop.end(str(error))
        self.loop.interrupt()

    def restore(self, state: Mapping[str, Any], *, budget_before: int) -> None:
        """Resume from the state of an earlier session."""
        raised = budget_before if budget_before < self.job.budget.epochs else None
        loop = self.loop
        restore(loop, state)
        # They count before a limit that is spent, and before it is decided which trials resume.
        waiting = self._inbox.new(loop.commands.outcomes, immediately=True)
        self._outcomes = execute_waiting(loop, waiting)
        self._pruner.list_storage()
        extend_trials(
            loop.trials.values(), self._pruner, self.recorder, raised=raised, over=loop.end_reason is not None
        )
        loop.requeue()

    def execute_commands(self, *, immediately: bool = False) -> None:
        """Execute new commands of users and record their outcomes, so that each is executed once."""
        loop = self.loop
        if loop.interrupted or not self.file.taken:
            return
        loop.commands.outcomes |= self._outcomes
        found = self._inbox.new(loop.commands.outcomes, immediately=immediately)
        outcomes = {**self._outcomes, **execute_new(loop, found, session=self.file.number)}
        self._outcomes = {}
        self.notes.commands(outcomes)
        if outcomes:
            self._save_budget()
            self.flush()

    def _is_new(self, trial: Trial) -> bool:
        """Whether no worker of this session or an earlier one had a trial before. It counts as assigned afterwards.

        An earlier session that was killed may have left files of a trial that its recorded state does not have.
        """
        new = self.file.number == 1 and trial.trial_id not in self._assigned
        self._assigned.add(trial.trial_id)
        return new

    def _save_budget(self) -> None:
        """Write the job again if a command has changed its budget."""
        if self.loop.job is not self.job:
            self.job = self.loop.job
            self.file.check()
            save_job(self._store, self.job)
