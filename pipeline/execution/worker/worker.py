"""A worker: it takes an assignment, trains epoch by epoch, reports, and leaves checkpoints.

It does not use Ray: the Trainable calls it in a worker process, and `--workers 0` calls it in the driver's process.
"""

import contextlib
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.code import error_text
from pipeline.datasets import ConfigReads, Dataset, fingerprint, recorded_for
from pipeline.engine.messages import Assignment, Cause, EpochRow, Report
from pipeline.engine.reporting import TRAINING_ENDED, ReportInterval, is_over
from pipeline.engine.trial import BestEpoch, better_epoch, reached
from pipeline.errors import (
    DamagedFile,
    DataError,
    ModelError,
    ResourcesUnmet,
    StorageError,
    Superseded,
    TunepipeError,
)
from pipeline.execution.data import refuse_other_data, shared_caches
from pipeline.execution.provenance import node_facts
from pipeline.execution.worker.checkpoints import Checkpoints, checkpoint_of, learner_part
from pipeline.execution.worker.failures import at_epoch, failure_text
from pipeline.execution.worker.folder import TrialFolder, captured
from pipeline.execution.worker.winner import Winner
from pipeline.machine import process_memory, this_machine
from pipeline.storage import Checkpoint, Store
from pipeline.study import Resources, TuneJob, layout
from pipeline.study.context import TrialContext, in_trial
from pipeline.study.files import read_document, recorded_data
from pipeline.text import counted, did_you_mean, size
from pipeline.training.base import EpochResult, Learner, TrainingEnded
from pipeline.training.function import FunctionLearner
from pipeline.training.process import workers_on
from pipeline.training.trainer_factory import TrainerFactory

CHECKPOINT_SECONDS = "TUNEPIPE_CHECKPOINT_SECONDS"
"""An environment variable of nodes that may be taken away at any time: trials there write a checkpoint at least this
often, in seconds, whatever the job says."""

_SHARED, _GROWTH = 0.9, 1.5
"""The part of a machine's memory that its workers may hold together. A worker is replaced only at this multiple of its
first size: a new process would otherwise soon be as large."""


@dataclass(slots=True)
class ActiveTrial:
    """A worker's state of its trial."""

    assignment: Assignment
    folder: TrialFolder | None = None
    learner: Learner | None = None
    epoch: int = 0
    rows: list[EpochRow] = field(default_factory=list)
    """The rows of its segment."""
    reported: int = 0
    """How many of them were reported."""
    repeated: int = 0
    """How many of the next report's rows an earlier attempt has reported."""
    best: BestEpoch | None = None
    best_checkpoint: tuple[int, Checkpoint] | None = None
    """The best epoch's state, which is not written yet."""
    saved_epoch: int = -1
    saved_at: float = 0.0
    waited: float = 0.0
    """Seconds that training has waited for checkpoints since the last report."""
    in_epoch: bool = False
    ended: bool = False
    """Whether its training has ended by itself."""
    is_over: bool = False
    """Whether it leaves no checkpoint when the worker moves on."""


class Worker:
    """Trains one trial after the other in this process.

    Args:
        job: The job.
        data: The data that all trials share; None if this process loads them itself, or if there are none.
        store: The study.
        session: The driver session; None without a driver: then nothing is written.
        workers: How many workers the session has.
        capture: Whether the output of a trial goes to its log.
        ends_process: Whether a SystemExit ends this process, rather than only the user's function.
        stop_requested: Whether the study is to end when the epoch in training is complete.
        workers_here: How many workers share this machine; by default as many as fit.
    """

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
        stop_requested: Callable[[], bool] = lambda: False,
        workers_here: int | None = None,
    ) -> None:
        self._job, self._store, self._workers = job, store, workers
        self._capture, self._ends_process, self._stop_requested = capture, ends_process, stop_requested
        self._started_in, self._node = Path.cwd(), platform.node()
        self._loaded: list[Mapping[str, object]] = []
        self.trainer_factory = TrainerFactory(
            job, data, workers_here=workers_here, loaded=self._check_data, caches=shared_caches(store, session)
        )
        self._checkpoints = Checkpoints(store, session)
        self._winner = Winner(job, store, self.trainer_factory, self._checkpoints)
        self._memory_limit = MemoryLimit(job.resources, workers_here or workers_on(job.resources))
        self._checkpoint_seconds = min(job.checkpoints.seconds, node_seconds())
        self._reports = 0
        self._left: list[tuple[str, int, int]] = []
        """Checkpoints that were written and not reported."""
        self._trial: ActiveTrial | None = None

    def begin(self, assignment: Assignment) -> None:
        """Take an assignment, and close the previous one. Nothing is built before the first step."""
        self.close()
        self._trial = ActiveTrial(assignment)

    def step(self) -> Report:
        """Train until there is something to report."""
        trial = self._trial
        assert trial is not None, "a step needs an assignment"
        with self._captured(trial):
            try:
                with self._in_folder(trial):
                    return self._evaluate(trial) if trial.assignment.task == "finish" else self._train(trial)
            except (DataError, ModelError) as error:
                if self._capture:
                    print(error_text(error), end="", file=sys.stderr)
                return self._failed(trial, str(error), "job")
            except DamagedFile as error:
                return self._failed(trial, f"It cannot continue: {error}")
            except (StorageError, Superseded) as error:
                trial.is_over = True
                return Report(failure=str(error), cause="storage")
            except (Exception, SystemExit) as error:
                if isinstance(error, SystemExit) and self._ends_process(error):
                    # The trial is intact: another worker resumes it.
                    raise
                print(error_text(error), end="", file=sys.stderr)
                return self._failed(trial, failure_text(error, self._started_in))

    def close(self) -> None:
        """Leave a checkpoint of the current trial, which is over or moves to another worker."""
        trial, self._trial = self._trial, None
        if trial is None or trial.folder is None:
            return
        with self._captured(trial):
            with contextlib.suppress(TunepipeError), self._in_folder(trial):
                # In the middle of an epoch the weights belong to no epoch: the trial resumes from an older checkpoint.
                if trial.learner and not trial.is_over and not trial.in_epoch and trial.epoch > trial.saved_epoch:
                    self._write(trial, trial.epoch, self._snapshot(trial))
                self._left += [stored[:3] for stored in self._checkpoints.written(wait=True)]
            with contextlib.suppress(Exception), self._in_folder(trial):
                if trial.learner is not None:
                    trial.learner.close()
            with contextlib.suppress(TunepipeError):
                trial.folder.close()

    def _train(self, trial: ActiveTrial) -> Report:
        started = time.monotonic()
        job, objective, assignment = self._job, self._job.objective, trial.assignment
        if trial.learner is None:
            self._start(trial)
            last = trial.ended or (bool(trial.rows) and is_over(job.budget, trial.epoch))
            if last:
                self._finish(trial)
            # The driver may decide about epochs that it does not know yet before any more is trained.
            if last or (trial.rows and trial.epoch > assignment.reported_epoch):
                return self._report(trial, last=last)
        interval = ReportInterval(job, trial.epoch, first=not self._reports, workers=self._workers)
        while True:
            try:
                result = self._train_epoch(trial)
            except TrainingEnded:
                outcome = TRAINING_ENDED
                break
            row = trial.rows[-1]
            value = row["metrics"].get(objective.metric)
            if value is None:
                return self._failed(trial, missing_objective(job, result.metrics), "job")
            for name, number in ((objective.metric, value), ("loss", row["metrics"].get("loss", 0.0))):
                if not math.isfinite(number):
                    return self._failed(trial, f"{name} is {number}.{at_epoch(trial.epoch)}")
            if better_epoch(objective, now := reached(row, job.objectives, assignment.config), trial.best):
                self._keep_best(trial, now)
            outcome = interval.after(row, seconds=time.monotonic() - started, ended=trial.ended)
            if outcome.due or self._stop_requested():
                break
        if outcome.last:
            self._finish(trial)
        self._leave_checkpoints(trial, due=outcome.checkpoint)
        return self._report(trial, last=outcome.last, decided=outcome.checkpoint)

    def _start(self, trial: ActiveTrial) -> None:
        """Build the learner, and load the trial's newest checkpoint, or the one whose weights it takes over."""
        assignment, factory = trial.assignment, self.trainer_factory
        own = self._checkpoints.newest(assignment)
        state = None if own is None else learner_part(own)
        again = factory.replays(state) if own is not None else assignment.parent_trial is None
        if trial.folder is not None and not assignment.new and again:
            # The attempt writes the files of an earlier one again.
            trial.folder.clear()
        trial.learner = factory.learner(assignment.config, seed=assignment.seed)
        trial.saved_at = time.monotonic()
        if own is not None and state is not None:
            trial.learner.load(state)
            header: Mapping[str, Any] = own.header
            trial.epoch = trial.saved_epoch = int(header["lineage"]["epoch"])
            trial.ended, trial.rows = bool(header["ended"]), list(header["rows"])
            trial.repeated = sum(row["epoch"] <= assignment.reported_epoch for row in trial.rows)
            trial.best = None if header["best"] is None else BestEpoch(**header["best"])
        elif assignment.parent_trial is not None:
            path = layout.checkpoint(assignment.parent_trial, assignment.parent_epoch or 0)
            try:
                parent = self._checkpoints.read(path)
            except FileNotFoundError:
                raise DamagedFile(f"{path}, whose weights the trial copied, no longer exists.") from None
            trial.learner.load(learner_part(parent), exploit=True)
            trial.epoch = assignment.epoch

    def _train_epoch(self, trial: ActiveTrial) -> EpochResult:
        """Train an epoch, and keep its row for the next report."""
        learner, assignment = trial.learner, trial.assignment
        assert learner is not None
        trial.in_epoch = True
        try:
            result = learner.run_epoch()
        except TrainingEnded:
            trial.in_epoch = False
            raise
        except SystemExit as error:
            if not self._has_exited(trial, error):
                raise
            trial.in_epoch = False
            raise TrainingEnded from None
        trial.in_epoch, trial.ended = False, result.last
        trial.epoch += 1
        trial.rows.append(
            EpochRow(
                attempt=assignment.attempt,
                segment=assignment.segment,
                epoch=trial.epoch,
                model_epoch=learner.model_epoch,
                metrics=result.metrics,
                learning_rate=result.learning_rate,
                updates=result.updates,
                parameters=result.parameters,
                seconds_build=result.seconds_build,
                seconds_train=result.seconds_train,
                seconds_evaluate=result.seconds_evaluate,
                seconds_checkpoint=0.0,
                bytes_checkpoint=0,
                time=time.time(),
                node=self._node,
                trained_with=learner.trained_with,
                phase=result.phase,
            )
        )
        return result

    def _finish(self, trial: ActiveTrial) -> None:
        """Run the code of a function after its last step: one step beyond the budget, whose values are not used.

        Its checkpoint is in the storage before: if the worker is lost in that code, no epoch is trained again.
        """
        learner = trial.learner
        if not isinstance(learner, FunctionLearner) or not learner.unfinished:
            return
        self._leave_checkpoints(trial, due=True)
        with self._waiting(trial):
            self._left += [stored[:3] for stored in self._checkpoints.written(wait=True)]
        try:
            learner.finish()
        except SystemExit as error:
            if not self._has_exited(trial, error):
                raise

    def _has_exited(self, trial: ActiveTrial, error: SystemExit) -> bool:
        """Whether a function has ended itself after a step, as a script may by `sys.exit()`."""
        by_itself = error.code in (None, 0) and not self._ends_process(error)
        return by_itself and trial.epoch > 0 and isinstance(trial.learner, FunctionLearner)

    def _keep_best(self, trial: ActiveTrial, best: BestEpoch | None) -> None:
        trial.best = best
        checkpoint = self._snapshot(trial)
        if not self.trainer_factory.replays(learner_part(checkpoint)):
            trial.best_checkpoint = trial.epoch, checkpoint

    def _snapshot(self, trial: ActiveTrial) -> Checkpoint:
        """The trial's state now, as a checkpoint that is not written yet."""
        assert trial.learner is not None
        with self._waiting(trial):
            return checkpoint_of(
                trial.assignment,
                trial.learner.save(),
                epoch=trial.epoch,
                best=trial.best,
                ended=trial.ended,
                rows=trial.rows,
            )

    def _write(self, trial: ActiveTrial, epoch: int, checkpoint: Checkpoint) -> None:
        self._checkpoints.write(trial.assignment, epoch, checkpoint)
        trial.saved_at, trial.saved_epoch = time.monotonic(), max(trial.saved_epoch, epoch)

    def _leave_checkpoints(self, trial: ActiveTrial, *, due: bool) -> None:
        """Begin to write the checkpoint of a new best epoch, and one of the current epoch if that is due."""
        if trial.best_checkpoint is not None:
            self._write(trial, *trial.best_checkpoint)
            trial.best_checkpoint = None
        if trial.epoch > trial.saved_epoch and (due or time.monotonic() - trial.saved_at >= self._checkpoint_seconds):
            self._write(trial, trial.epoch, self._snapshot(trial))
        if trial.folder is not None and trial.saved_epoch == trial.epoch:
            with self._waiting(trial):
                trial.folder.keep()

    def _evaluate(self, trial: ActiveTrial) -> Report:
        trial.is_over = True
        try:
            return Report(winner=self._winner.export(trial.assignment, self._stop_requested))
        finally:
            trial.learner = self._winner.learner

    def _failed(self, trial: ActiveTrial, failure: str, cause: Cause = "trial") -> Report:
        trial.is_over = True
        return self._report(trial, failure=failure, cause=cause)

    def _report(
        self,
        trial: ActiveTrial,
        *,
        last: bool = False,
        decided: bool = True,
        failure: str | None = None,
        cause: Cause = "trial",
    ) -> Report:
        """The report of everything since the last one."""
        self._reports += 1
        with self._waiting(trial):
            stored = self._checkpoints.written(wait=last or decided or failure is not None)
        new, trial.reported = trial.rows[trial.reported :], len(trial.rows)
        checkpoints = [*self._left, *(checkpoint[:3] for checkpoint in stored)]
        if new:
            own = trial.assignment.trial_id
            size_here = sum(size for trial_id, _, size in self._left if trial_id == own)
            size_here += sum(checkpoint.bytes for checkpoint in stored if not checkpoint.found)
            new[-1] |= {"seconds_checkpoint": trial.waited, "bytes_checkpoint": size_here}
            trial.waited = 0.0
        self._left, loaded, self._loaded = [], self._loaded, []
        repeated, trial.repeated = trial.repeated, 0
        return Report(
            new,
            last,
            failure,
            cause,
            checkpoints,
            repeated,
            over_memory_limit=self._memory_limit.excess(),
            node=node_facts() if self._reports == 1 else None,
            data=loaded,
        )

    def _check_data(self, reads: ConfigReads, data: Dataset) -> None:
        """Compare the data for some configs with those that the study has recorded for them, or keep them to report."""
        current, recorded = fingerprint(data), recorded_data(read_document(self._store))
        before = recorded_for(recorded, reads.values)
        refuse_other_data(self._job.name, before, current, "start another study with --name")
        if before is None:
            self._loaded.append({"config": dict(reads.values), "absent": list(reads.absent), "arrays": current})

    @contextlib.contextmanager
    def _in_folder(self, trial: ActiveTrial) -> Iterator[None]:
        """Run the user's code in the trial's working folder, which the first step creates."""
        assignment, checkpoints = trial.assignment, self._checkpoints
        directory = self.trainer_factory.directory(assignment.config)
        if trial.folder is None:
            trial.folder = TrialFolder(
                self._store,
                assignment.trial_id,
                most=self._job.resources.files_gigabytes * 1e9,
                kept=checkpoints.session is not None,
                new=assignment.new,
                check=checkpoints.check,
            )
        trial.folder.create_again()
        context = TrialContext(assignment.trial_id, assignment.seed, self._job.budget.epochs, trial.folder.folder)
        with in_trial(context, directory):
            yield

    def _captured(self, trial: ActiveTrial) -> contextlib.AbstractContextManager[None]:
        if not self._capture:
            return contextlib.nullcontext()
        return captured(self._store, layout.log(trial.assignment.trial_id))

    @contextlib.contextmanager
    def _waiting(self, trial: ActiveTrial) -> Iterator[None]:
        """Measure how long training waits for a checkpoint."""
        started = time.monotonic()
        yield
        trial.waited += time.monotonic() - started


class MemoryLimit:
    """The memory that this process may hold: `worker_gigabytes`, or its share of 90% of the machine's memory."""

    def __init__(self, resources: Resources, workers: int, memory: int | None = None) -> None:
        memory = this_machine().memory if memory is None else memory
        self._given = resources.worker_gigabytes is not None
        self._bytes = _SHARED * memory / workers
        self._why = f"its share of {size(memory)} with {counted(workers, 'worker')} on the machine"
        if resources.worker_gigabytes is not None:
            self._bytes, self._why = resources.worker_gigabytes * 1e9, "the job's resources.worker_gigabytes"
        self._first: int | None = None

    def excess(self, held: int | None = None) -> str:
        """Why another process must replace this one after the trial, in words; empty if it may continue."""
        held = process_memory() if held is None else held
        self._first = self._first or held
        if held <= self._bytes or (not self._given and held < _GROWTH * self._first):
            return ""
        return f"it uses {size(held)}, more than {size(self._bytes)}, {self._why}"


def node_seconds() -> float:
    """The longest time between two checkpoints on this node, in seconds; infinite if it has no limit."""
    text = os.environ.get(CHECKPOINT_SECONDS, "")
    try:
        return float(text) if text else math.inf
    except ValueError:
        raise ResourcesUnmet(f"{CHECKPOINT_SECONDS} is {text!r}; it must be a number of seconds.") from None


def missing_objective(job: TuneJob, metrics: Mapping[str, float]) -> str:
    """A message that the first objective is missing, with the metrics there are, and what to do."""
    metric = job.objective.metric
    other = f'yield {{"{metric}": …}}' if job.function is not None else "compile the model with that metric"
    return (
        f"The objective {metric!r} is not among the metrics: {', '.join(metrics)}.{did_you_mean(metric, metrics)} Name "
        f"one of them with --set objectives.0.metric=NAME, or {other}."
    )
