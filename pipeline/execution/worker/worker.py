"""A worker: it takes an assignment, trains epoch by epoch, reports, and leaves checkpoints.

It does not use Ray: the Trainable calls it in a worker process, and `--workers 0` calls it in the driver's process.
"""

import contextlib
import math
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.code import error_text
from pipeline.datasets import Dataset
from pipeline.engine.messages import Assignment, ProgressReport
from pipeline.engine.reporting import TRAINING_ENDED, EpochOutcome, ReportInterval, is_over
from pipeline.errors import DamagedFile, DataError, ModelError, StorageError, Superseded, TunepipeError
from pipeline.execution.node_facts import node_facts
from pipeline.execution.shared_caches import shared_caches
from pipeline.execution.worker.active_trial import ActiveTrial
from pipeline.execution.worker.checkpoint_seconds import node_seconds
from pipeline.execution.worker.checkpoint_writer import CheckpointWriter
from pipeline.execution.worker.failures import advice, at_epoch, failure_text
from pipeline.execution.worker.loaded_data import LoadedData
from pipeline.execution.worker.memory_limit import MemoryLimit
from pipeline.execution.worker.missing_objective import missing_objective
from pipeline.execution.worker.output import captured
from pipeline.execution.worker.start_folder import StartFolder
from pipeline.execution.worker.trial_folder import TrialFolder
from pipeline.execution.worker.weight_compatibility import check_compatible, copies_weights
from pipeline.execution.worker.winner import Winner
from pipeline.storage import Store
from pipeline.study import TuneJob, layout
from pipeline.study.context import TrialContext, in_trial
from pipeline.training.base import TrainingEnded
from pipeline.training.process import workers_on
from pipeline.training.trainer_factory import TrainerFactory


class Worker:
    """Trains one trial after the other in this process."""

    def __init__(
        self,
        job: TuneJob,
        data: Dataset | None,
        store: Store,
        *,
        session: int | None = None,
        workers: int = 1,
        capture: bool = True,
        ends_process: Callable[[SystemExit], bool] = lambda _: False,
        compare: bool = True,
        started_in: str | Path | None = None,
        stop_requested: Callable[[], bool] = lambda: False,
        workers_here: int | None = None,
    ) -> None:
        self._job, self._store = job, store
        self._capture, self._ends_process, self._stop_requested = capture, ends_process, stop_requested
        self._start = StartFolder(Path.cwd() if started_in is None else Path(started_in))
        self._data = LoadedData(job.name, store)
        self.trainer_factory = TrainerFactory(
            job, data, workers_here=workers_here, loaded=self._data.check, caches=shared_caches(store, session)
        )
        self._memory_limit = MemoryLimit(job.resources, workers_here or workers_on(job.resources))
        self._checkpoints = CheckpointWriter(store, session)
        self._winner = Winner(job, store, self.trainer_factory, self._checkpoints)
        self._node = platform.node()
        self._checkpoint_seconds = min(job.checkpoints.seconds, node_seconds())
        self._workers, self._reports = workers, 0
        self._left: list[tuple[str, int, int]] = []
        self._compare = compare and copies_weights(job)
        self._trial: ActiveTrial | None = None

    @property
    def directory(self) -> Path | None:
        """The current directory of all trials, whose code reads files there; None while each has its own folder."""
        return self._start.directory

    def begin(self, assignment: Assignment) -> None:
        """Take an assignment, and close the previous one. Nothing is built before the first step."""
        self.close()
        self._trial = ActiveTrial(assignment, ends_process=self._ends_process)

    def step(self) -> ProgressReport:
        """Train until there is something to report."""
        report = self._attempt()
        if report is None:
            assert self._trial is not None, "an attempt needs a trial"
            self.begin(replace(self._trial.assignment, new=False))
            report = self._attempt()
        assert report is not None, "a trial begins again once"
        return report

    def _attempt(self) -> ProgressReport | None:
        """A step; None if the trial must begin again, because its code needs the folder of the study's start."""
        assert self._trial is not None, "a step needs an assignment"
        trial = self._trial
        with self._captured(trial):
            try:
                with self._in_folder(trial):
                    return self._evaluate(trial) if trial.assignment.task == "finish" else self._train(trial)
            except (DataError, ModelError) as error:
                if note := self._start.needed(trial, error):
                    self.trainer_factory.notes.print_once(note)
                    return None
                if self._capture:
                    print(error_text(error), end="", file=sys.stderr)
                return self._report(trial, unusable=str(error))
            except DamagedFile as error:
                return self._report(trial, failure=f"It cannot continue: {error}")
            except (StorageError, Superseded) as error:
                trial.is_over = True
                return ProgressReport(epoch=trial.epoch, stuck=str(error))
            except (Exception, SystemExit) as error:
                if isinstance(error, SystemExit) and self._ends_process(error):
                    # The trial is intact: another worker resumes it.
                    raise
                if note := self._start.needed(trial, error):
                    self.trainer_factory.notes.print_once(note)
                    return None
                print(error_text(error), end="", file=sys.stderr)
                what_to_do = advice(error, started_in=self._start.path, shared=self.trainer_factory.notes.shared)
                return self._report(trial, failure=failure_text(error, what_to_do))

    def close(self) -> None:
        """Leave a checkpoint of the current trial, which is over or moves to another worker."""
        trial, self._trial = self._trial, None
        if trial is None or trial.folder is None:
            return
        with self._captured(trial):
            with contextlib.suppress(TunepipeError), self._in_folder(trial):
                # In the middle of an epoch the weights belong to no epoch: the trial resumes from an older checkpoint.
                if trial.learner and not trial.is_over and not trial.in_epoch and trial.epoch > trial.saved_epoch:
                    trial.save(self._checkpoints, trial.epoch, trial.snapshot(self._checkpoints))
                left = self._checkpoints.written(wait=True)
                self._left += [(trial.assignment.trial_id, checkpoint.epoch, checkpoint.bytes) for checkpoint in left]
            with contextlib.suppress(Exception), self._in_folder(trial):
                if trial.learner is not None:
                    trial.learner.close()
            with contextlib.suppress(TunepipeError):
                trial.folder.close()

    def model(self, assignment: Assignment) -> Any:
        """The model of a trial at an epoch: compiled, with its weights; with folds, fitted on the whole training
        part.
        """
        self.begin(assignment)
        trial = self._trial
        assert trial is not None
        trial.is_over = True
        with self._in_folder(trial):
            return self._winner.model(trial)

    @contextlib.contextmanager
    def _in_folder(self, trial: ActiveTrial) -> Iterator[None]:
        """Run the user's code in the trial's working folder, which the first step creates."""
        assignment = trial.assignment
        if trial.folder is None:
            trial.folder = TrialFolder(
                self._store,
                assignment.trial_id,
                most=self._job.resources.files_gigabytes * 1e9,
                kept=self._checkpoints.enabled,
                new=assignment.new,
                check=self._checkpoints.check,
            )
        else:
            trial.folder.create_again()
        context = TrialContext(assignment.trial_id, assignment.seed, self._job.budget.epochs, trial.folder.folder)
        with in_trial(context, self._start.directory):
            yield

    def _captured(self, trial: ActiveTrial) -> contextlib.AbstractContextManager[None]:
        if not self._capture:
            return contextlib.nullcontext()
        return captured(self._store, layout.log(trial.assignment.trial_id))

    def _train(self, trial: ActiveTrial) -> ProgressReport:
        started = time.monotonic()
        job, objective = self._job, self._job.objective
        if trial.learner is None:
            if self._compare and not trial.assignment.reported_epoch:
                self._compare = False
                check_compatible(self.trainer_factory, trial.assignment)
            trial.start(self.trainer_factory, self._checkpoints, objective)
            last = trial.ended or trial.has_finished or (bool(trial.rows) and is_over(job.budget, trial.epoch))
            if trial.rows and not trial.has_finished:
                next_epochs = EpochOutcome(last=False, due=True, checkpoint=True)
                rest = trial.begin_to_finish(TRAINING_ENDED if last else next_epochs, self._checkpoints)
                if rest is not None:
                    return rest
            # The driver may decide about epochs that it does not know yet before any more is trained.
            if last or (trial.rows and trial.epoch > trial.assignment.reported_epoch):
                return self._report(trial, last=last)
        interval = ReportInterval(job, trial.epoch, first=not self._reports, workers=self._workers)
        while (finished := trial.finish()) is None:
            try:
                metrics = trial.train_epoch(self._node, interval.compares)
            except TrainingEnded:
                outcome = TRAINING_ENDED
                break
            row = trial.rows[-1]
            value = row.metrics.get(objective.metric)
            if value is None and metrics is not None:
                return self._report(trial, unusable=missing_objective(job, metrics))
            for name, number in ((objective.metric, value or 0.0), ("loss", row.metrics.get("loss", 0.0))):
                if not math.isfinite(number):
                    trial.is_over = True
                    return self._report(trial, failure=f"{name} is {number}.{at_epoch(trial.epoch)}")
            if value is not None:
                trial.keep_best(value, job.objectives, self.trainer_factory, self._checkpoints)
            outcome = interval.after(row, seconds=time.monotonic() - started, ended=trial.ended)
            if (announced := trial.begin_to_finish(outcome, self._checkpoints)) is not None:
                if not self._stop_requested():
                    return announced
                # The study ends after this report, which has the epochs.
                outcome = trial.finish() or outcome
            if outcome.due or self._stop_requested():
                break
        outcome = finished or outcome
        trial.leave_checkpoints(self._checkpoints, due=outcome.checkpoint, seconds=self._checkpoint_seconds)
        return self._report(trial, last=outcome.last, decided=outcome.checkpoint)

    def _evaluate(self, trial: ActiveTrial) -> ProgressReport:
        trial.is_over = True
        metrics = self._winner.export(trial, self._stop_requested)
        if metrics is None:
            return ProgressReport(epoch=trial.assignment.epoch)
        return ProgressReport(epoch=trial.assignment.epoch, last=True, winner=metrics)

    def _report(
        self,
        trial: ActiveTrial,
        *,
        last: bool = False,
        decided: bool = True,
        failure: str | None = None,
        unusable: str | None = None,
    ) -> ProgressReport:
        """The report of everything since the last one."""
        self._reports += 1
        over = last or failure is not None or unusable is not None
        with trial.waiting():
            written = self._checkpoints.written(wait=over or decided)
        trial.is_over = trial.is_over or failure is not None or unusable is not None
        left, self._left = tuple(self._left), []
        return ProgressReport(
            trial.new_rows(checkpoint_bytes=sum(checkpoint.bytes for checkpoint in written if not checkpoint.found)),
            trial.epoch,
            last,
            failure,
            unusable,
            checkpoints={checkpoint.epoch: checkpoint.bytes for checkpoint in written},
            left=left,
            over_memory_limit=self._memory_limit.excess(),
            data=self._data.new(),
            node=node_facts() if self._reports == 1 else None,
            finished=trial.finished,
        )
