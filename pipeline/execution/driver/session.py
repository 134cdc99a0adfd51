"""One driver session of a study: it assigns trials to workers, takes their reports, decides, and records.

Ray Tune's controller and the loop of `--workers 0` drive the same object: `next` is the next assignment for a free
worker, `on_report` decides whether the trial continues, `beat` writes what is due. It uses neither Ray nor Keras.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.engine.draws import Draw
from pipeline.engine.engine import MAX_WORKER_FAILURES, Engine, Verdict
from pipeline.engine.messages import EXPORT, Assignment, Report
from pipeline.engine.trial import SavedState, StateText
from pipeline.errors import ModelError, StorageError, TunepipeError
from pipeline.execution.commands import CommandInbox
from pipeline.execution.driver.prune import Pruner
from pipeline.execution.driver.record import Recorder
from pipeline.execution.interrupts import Interrupts
from pipeline.schedulers import Scheduler, SchedulerContext
from pipeline.storage import Store, layout
from pipeline.study import TuneJob
from pipeline.study.files import save_job
from pipeline.study.trial_configs import seed_of_trial
from pipeline.text import note, without_keys

_MIN_FLUSH_SECONDS, _MAX_FLUSH_SECONDS = 1.0, 30.0
"""The least time between two flushes, and the most unless a flush takes long: then it is the next one."""
_OVERDUE_SECONDS = 300.0
_FLUSH_FACTOR = 50.0
"""A flush waits for a 50th of the session so far, and takes at most a 50th of the driver's time."""


@dataclass(slots=True)
class Export:
    """The study's last assignment: a warm worker exports the winner and evaluates it on the test split."""

    done: bool
    assigned: Assignment | None = None
    """The assignment while a worker has it."""
    attempts_left: int = MAX_WORKER_FAILURES - 1
    warning: str | None = None


class Session:
    def __init__(
        self,
        job: TuneJob,
        store: Store,
        recorder: Recorder,
        *,
        interrupts: Interrupts | None = None,
        build: Callable[[SchedulerContext], Scheduler] | None = None,
        draw: Draw | None = None,
    ) -> None:
        self.job, self.store = job, store
        self.recorder, self.lease = recorder, recorder.lease
        self.interrupts = interrupts or Interrupts()
        self.engine = Engine(
            job,
            recorder.add_decision,
            lambda: self.lease.seconds,
            session=self.lease.number,
            build=build,
            draw=draw,
        )
        self.export = Export(done=job.model is None)
        self.fatal: TunepipeError | None = None
        """The error that ended the study; None if there is none."""
        self._first_report: tuple[float, int] | None = None
        self._pruner = Pruner(store, job, self.engine.scheduler, self.engine.trials, self.lease.check)
        self._state_text, self._inbox = StateText(self.engine.saved_state), CommandInbox(store)
        self._started = self._flushed = time.monotonic()
        self._flush_seconds = 0.0

    @property
    def ended(self) -> bool:
        """Whether nothing will run again, even if Ray Tune still has paused trials."""
        engine = self.engine
        pending = not self.export.done and engine.best is not None and self.fatal is None
        return engine.interrupted or (engine.ending and not engine.running and not pending)

    @property
    def epochs_per_second(self) -> float | None:
        """Epochs that all workers train in a second since the first report; None before the second one."""
        if self._first_report is None or self.engine.total_epochs == self._first_report[1]:
            return None
        began, before = self._first_report
        return (self.engine.total_epochs - before) / (time.monotonic() - began)

    # The loop

    def next(self) -> Assignment | None:
        engine, export = self.engine, self.export
        if (trial := engine.next()) is not None:
            return engine.assignment(trial)
        trial = engine.best
        if trial is None or engine.running or engine.interrupted or self.fatal is not None:
            return None
        if export.done or export.assigned is not None:
            return None
        seed, best = seed_of_trial(self.job, int(trial.trial_id)), trial.best
        assert best is not None
        export.assigned = Assignment(trial.trial_id, best.config, seed, task=EXPORT, epoch=best.epoch, value=best.value)
        return export.assigned

    def on_report(self, trial_id: str, report: Report) -> Verdict:
        """Take a worker's report: record it, and decide whether the trial continues."""
        engine, recorder, export = self.engine, self.recorder, self.export
        if report.node is not None:
            recorder.add_node(report.node)
        if export.assigned:
            if report.exported is None and report.failure is None:
                return "continue"
            export.warning, export.assigned, export.done = report.failure, None, True
            return "stop"
        recorder.add_epochs(trial_id, engine.trials[trial_id].config, report.rows[report.repeated :])
        for how in {row["trained_with"] for row in report.rows if row["trained_with"] is not None}:
            note(f"Trials train with {how}.")
        verdict = engine.on_report(trial_id, report)
        self._first_report = self._first_report or (time.monotonic(), engine.total_epochs)
        if report.failure is not None and report.cause == "storage":
            # The trial itself is intact: a resume continues it, or the driver that has taken over.
            self.lease.check(immediately=True)
            raise StorageError(report.failure)
        if report.failure is not None and report.cause == "job" and engine.total_epochs <= len(report.rows):
            # No other trial has shown that the job's model and data can be used.
            self.fatal = ModelError(f"Trial {trial_id}: {report.failure}")
            engine.end(report.failure)
        self.write_due()
        return verdict

    @property
    def flush_due(self) -> bool:
        """Whether rows are to be written: often at first, so that first epochs can be read soon, later twice a minute.

        The last flush may have taken long, with many trials; but rows that are not written are lost with the driver.
        """
        now = time.monotonic()
        interval = min(max(_MIN_FLUSH_SECONDS, (now - self._started) / _FLUSH_FACTOR), _MAX_FLUSH_SECONDS)
        return now - self._flushed >= min(max(interval, _FLUSH_FACTOR * self._flush_seconds), _OVERDUE_SECONDS)

    def write_due(self) -> None:
        """Write new rows and the heartbeat if that is due, and do what users ask for."""
        if self.flush_due:
            self.flush()
        else:
            self.recorder.beat()
        if not self.engine.interrupted and self.lease.stop_requested():
            note("`tunepipe stop` requested the end: the study ends when the epochs in training are complete.")
            self.engine.interrupt(by_user="A user stopped the study.")
        self.execute_commands()

    def flush(self) -> None:
        """Write the new rows and the state of the study; then delete the checkpoints that nothing needs."""
        engine, changed, started = self.engine, frozenset(self.engine.changed), time.monotonic()
        self.recorder.flush(self._state_text.text(changed))
        engine.written(changed, deleted=self._pruner.prune(changed))
        self._flushed = time.monotonic()
        self._flush_seconds = self._flushed - started

    # Workers

    def on_worker_lost(self, trial_id: str, message: str) -> Assignment | None:
        """Take note that a worker is lost; returns what another one does instead."""
        export = self.export
        if export.assigned is None:
            return self.engine.on_worker_lost(trial_id, message)
        export.attempts_left -= 1
        if export.attempts_left < 0:
            export.assigned, export.done = None, True
            export.warning = f"Its worker was lost repeatedly, last: {message}"
        return export.assigned

    def failures_left(self, trial_id: str) -> int:
        """How many more workers a trial, or the export, may lose in a row before it fails."""
        if self.export.assigned:
            return self.export.attempts_left
        return self.engine.failures_left(trial_id)

    # Beginning and end

    def begin(self) -> None:
        """Take the session's number: from now on the study is this driver's."""
        self.recorder.begin(self._state_text.text())

    def restore(self, state: SavedState, *, epochs_before: int) -> None:
        """Resume from the state of an earlier session, whose trials had so many epochs at most."""
        self.engine.restore(state, self._pruner.list_storage(), epochs_before=epochs_before)

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
            save_job(self.store, self.job)
        if executed:
            self.flush()

    def check_signals(self) -> bool:
        """Interrupt the study if a signal has come; returns whether the study is interrupted."""
        if self.interrupts.requested and not self.ended:
            self.engine.interrupt()
        return self.engine.interrupted

    def end_by(self, error: TunepipeError) -> None:
        """End the session because of an error, such as a full disk; the first one counts."""
        self.fatal = self.fatal or error
        self.engine.end(without_keys(str(error)))
        self.engine.interrupt()

    def clear(self) -> None:
        """Delete the checkpoints that nothing needs, including those that workers have left without a report."""
        files = self._pruner.list_storage()
        if self.engine.on_listing(files):
            # The state has them first: a driver that resumes from it finds all that it names.
            self.flush()
        self.engine.written((), deleted=self._pruner.prune(self.engine.trials, listed=files))
        if self.store.local is not None:
            # Those of trials that have written no files. A worker may be in each until the end.
            self.store.delete_empty_folders(layout.FILES)
