"""One driver session of a study: it assigns trials to workers, takes their reports, decides, and records.

Ray Tune's controller and the loop of `--workers 0` drive the same object: `next` is the next assignment for a free
worker, `on_report` decides whether the trial continues, `beat` writes what is due. It uses neither Ray nor Keras.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pipeline.engine.draws import Draw
from pipeline.engine.engine import MAX_WORKER_FAILURES, Engine, Verdict
from pipeline.engine.messages import FINISH, Assignment, Report
from pipeline.engine.trial import SavedState, StateText
from pipeline.errors import ModelError, StorageError, TunepipeError
from pipeline.execution.commands import CommandInbox
from pipeline.execution.driver.prune import Pruner
from pipeline.execution.driver.record import Recorder
from pipeline.execution.driver.timing import FlushTiming, HangDetection
from pipeline.execution.interrupts import Interrupts
from pipeline.schedulers import Scheduler, SchedulerContext
from pipeline.storage import Store
from pipeline.study import TuneJob, layout
from pipeline.study.files import save_job
from pipeline.study.trial_configs import all_tried
from pipeline.text import note


@dataclass(slots=True)
class FinalEvaluation:
    """The study's last assignment: a warm worker exports the winner and evaluates it on the test split."""

    done: bool
    """Whether nothing is left to do."""
    assigned: Assignment | None = None
    """The assignment while a worker has it."""
    attempts_left: int = MAX_WORKER_FAILURES - 1
    metrics: Mapping[str, float] = field(default_factory=dict)
    warning: str | None = None


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
        interrupts: Interrupts | None = None,
    ) -> None:
        self.job, self.recorder, self.lease, self._store = job, recorder, recorder.lease, store
        self.engine = Engine(
            job,
            recorder.add_decision,
            lambda: self.lease.seconds,
            session=self.lease.number,
            build=build_scheduler,
            draw=draw,
        )
        self.interrupts = interrupts
        self.hang_detection = HangDetection(job.resources)
        self.final_evaluation = FinalEvaluation(done=job.model is None)
        self._first_report: tuple[float, int] | None = None
        self.fatal: TunepipeError | None = None
        """The error that ended the study; None if there is none."""
        self._pruner = Pruner(store, job, self.engine.scheduler, self.engine.trials, self.lease.check)
        self._state_text, self._flush_timing = StateText(self.engine.saved_state), FlushTiming()
        self._inbox = CommandInbox(store)

    @property
    def end_reason(self) -> str:
        """Why the study ended before its budget of trials was spent; empty if it did not."""
        return self.engine.end_reason or all_tried(self.job, len(self.engine.trials)) or ""

    @property
    def ended(self) -> bool:
        """Whether nothing will run again, even if Ray Tune still has paused trials."""
        engine = self.engine
        pending = not self.final_evaluation.done and engine.best is not None and self.fatal is None
        return engine.interrupted or (engine.over and not engine.running and not pending)

    @property
    def interrupt_requested(self) -> bool:
        """Whether a signal or a user has asked the study to end before its budget is spent."""
        return self.engine.interrupted or (self.interrupts is not None and self.interrupts.requested)

    @property
    def epochs_per_second(self) -> float | None:
        """Epochs that all workers train in a second since the first report; None before the second one."""
        if self._first_report is None or self.engine.total_epochs == self._first_report[1]:
            return None
        began, before = self._first_report
        return (self.engine.total_epochs - before) / (time.monotonic() - began)

    # The loop

    def next(self) -> Assignment | None:
        """The next assignment for a free worker."""
        engine, final = self.engine, self.final_evaluation
        if (trial := engine.next()) is not None:
            return engine.assignment(trial)
        if engine.running or engine.interrupted or engine.paused or self.fatal is not None or engine.best is None:
            return None
        if final.done or final.assigned is not None:
            return None
        seed, best = engine.assignment(engine.best).seed, engine.best.best
        assert best is not None
        final.assigned = Assignment(
            engine.best.trial_id, best.config, seed, task="finish", epoch=best.epoch, value=best.value
        )
        return final.assigned

    def on_report(self, trial_id: str, report: Report) -> Verdict:
        """Take a worker's report: record it, and decide whether the trial continues."""
        engine, recorder = self.engine, self.recorder
        if report.data:
            recorder.add_data(report.data)
        if report.node is not None:
            recorder.add_node(report.node)
        final = self.final_evaluation
        self.hang_detection.on_report(FINISH if final.assigned else trial_id, report.rows)
        if final.assigned:
            if report.winner is None and report.failure is None:
                return "continue"
            final.metrics, final.warning, final.assigned, final.done = report.winner or {}, report.failure, None, True
            return "stop"
        recorder.add_epochs(trial_id, engine.trials[trial_id].config, report.rows[report.repeated :])
        for how in {row["trained_with"] for row in report.rows if row["trained_with"] is not None}:
            note(f"Trials train with {how}.")
        verdict = engine.on_report(trial_id, report)
        self._first_report = self._first_report or (time.monotonic(), engine.total_epochs)
        self._pruner.on_report(report)
        if report.failure is not None and report.cause == "storage":
            # The trial itself is intact: a resume continues it, or the driver that has taken over.
            self.lease.check(immediately=True)
            raise StorageError(report.failure)
        if report.failure is not None and engine.end_reason == report.failure:
            self.fatal = ModelError(f"Trial {trial_id}: {report.failure}")
        self.beat()
        return verdict

    def beat(self) -> None:
        """Write new rows and the heartbeat if that is due, and do what users ask for."""
        if self._flush_timing.due:
            self.flush()
        else:
            self.recorder.beat()
        if not self.engine.interrupted and self.lease.stop_requested():
            note("`tunepipe stop` requested the end: the study ends when the epochs in training are complete.")
            self.engine.interrupt(by_user="A user stopped the study.")
        self.execute_commands()

    def flush(self) -> None:
        """Write the new rows and the state of the study; then delete the checkpoints that nothing needs."""
        engine, changed = self.engine, frozenset(self.engine.changed)
        with self._flush_timing.flushing():
            self.recorder.flush(self._state_text.parts(changed))
            engine.written(changed, deleted=self._pruner.prune(changed, engine.best))

    # Workers

    def use_workers(self, count: int) -> None:
        """Record how many workers train in parallel."""
        self.recorder.facts["workers"] = self.hang_detection.workers = count

    def on_worker_lost(self, trial_id: str, message: str) -> Assignment | None:
        """Take note that a worker is lost; returns what another one does instead."""
        final = self.final_evaluation
        if final.assigned is None:
            return self.engine.on_worker_lost(trial_id, message)
        final.attempts_left -= 1
        if final.attempts_left < 0:
            final.assigned, final.done = None, True
            final.warning = f"Its worker was lost repeatedly, last: {message}"
        return final.assigned

    def failures_left(self, trial_id: str) -> int:
        """How many more workers a trial, or the final evaluation, may lose in a row before it fails."""
        if self.final_evaluation.assigned:
            return self.final_evaluation.attempts_left
        return self.engine.failures_left(trial_id)

    def on_worker_replaced(self, trial_id: str, excess: str) -> None:
        """A worker over its memory limit ends after a trial: another process trains the next."""
        message = f"The worker of trial {trial_id} ends, and the next trial gets a new process: {excess}."
        note(message)
        self._store.append(layout.log("driver"), f"{message}\n".encode())

    # Beginning and end

    def begin(self) -> None:
        """Take the session's number: from now on the study is this driver's."""
        self.recorder.begin(self._state_text.parts())

    def restore(self, state: SavedState, *, epochs_before: int) -> None:
        """Resume from the state of an earlier session, whose trials had so many epochs at most."""
        self.recorder.decision_count = state.decided
        self.engine.restore(state)
        files = self._pruner.list_storage()
        self.engine.on_listing(files)
        self.engine.resume(files, epochs_before=epochs_before)

    def execute_commands(self, *, immediately: bool = False) -> None:
        """Execute new commands of users and record their outcomes, so that each is executed once."""
        engine = self.engine
        if engine.interrupted or not self.lease.taken:
            return
        executed = False
        for name, command in self._inbox.new(engine.outcomes, immediately=immediately):
            note(f"Command {name}: {engine.on_command(name, command)}")
            executed = True
        if engine.job is not self.job:
            self.job = engine.job
            self.lease.check()
            save_job(self._store, self.job)
        if executed:
            self.flush()

    def interrupt(self) -> None:
        """Interrupt the study because of a signal."""
        self.engine.interrupt()

    def end_by(self, error: TunepipeError) -> None:
        """End the session because of an error, such as a full disk; the first one counts."""
        self.fatal = self.fatal or error
        self.engine.end(str(error))
        self.engine.interrupt()

    def clear(self) -> None:
        """Delete the checkpoints that nothing needs, including those that workers have left without a report."""
        if self.engine.on_listing(self._pruner.list_storage()):
            # The state has them first: a driver that resumes from it finds all that it names.
            self.flush()
        self.engine.written((), deleted=self._pruner.prune(self.engine.trials, self.engine.best, unknown=True))
