"""A worker: it takes an assignment, trains epoch by epoch, reports, and leaves checkpoints.

It does not use Ray: the Trainable calls it in a worker process, and `--workers 0` calls it in the driver's process.
"""

import contextlib
import json
import math
import os
import platform
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.code.modules import error_text, sentence_of
from pipeline.datasets import Dataset
from pipeline.engine.limits import TRAINING_ENDED, ReportInterval, report_seconds
from pipeline.engine.messages import EXPORT, Assignment, Cause, EpochRow, Report
from pipeline.engine.trial import BestEpoch, better_epoch, reached
from pipeline.errors import (
    DamagedFile,
    DataError,
    ModelError,
    NotEvaluated,
    StorageError,
    Superseded,
    TunepipeError,
)
from pipeline.execution.provenance import installed
from pipeline.execution.worker.checkpoints import CheckpointWriter, learner_part, lineage
from pipeline.execution.worker.folder import TrialFolder, captured
from pipeline.machine import process_memory, this_machine
from pipeline.storage import Checkpoint, Store, layout
from pipeline.storage.scratch import SharedFolder, scratch
from pipeline.storage.sessions import read_sessions, sessions_objects
from pipeline.study import Objective, Resources, TuneJob
from pipeline.study.context import TrialContext, in_trial
from pipeline.text import did_you_mean, size, without_keys
from pipeline.training.base import EpochResult, Learner, TrainingEnded
from pipeline.training.ensemble import first_model
from pipeline.training.function import FunctionLearner
from pipeline.training.process import workers_on
from pipeline.training.trainer_factory import TrainerFactory

SPOT = "TUNEPIPE_SPOT"
"""An environment variable of nodes that may be taken away at any time."""

_SPOT_SECONDS = 5.0
"""Trials on such a node write a checkpoint at least this often, whatever the job says."""

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
    ended: bool = False
    """Whether its training has ended by itself."""
    discarded: bool = False
    """Whether it leaves no checkpoint when the worker moves on."""


class Worker:
    """Trains one trial after the other in this process.

    `data` are those that all trials share; None if this process loads them itself. `ends_process` says whether an
    error ends this process, rather than only the user's function, and `stop_requested` whether the study is to end when
    the epoch in training is complete.
    """

    def __init__(
        self,
        job: TuneJob,
        data: Dataset | None,
        store: Store,
        *,
        session: int,
        workers: int = 1,
        capture: bool = True,
        ends_process: Callable[[BaseException], bool] = lambda error: isinstance(error, KeyboardInterrupt),
        stop_requested: Callable[[], bool] = lambda: False,
        workers_here: int | None = None,
    ) -> None:
        self._job, self._store, self._workers = job, store, workers
        self._capture, self._ends_process, self._stop_requested = capture, ends_process, stop_requested
        caches = shared_caches(store, session)
        self.trainer_factory = TrainerFactory(job, data, workers_here=workers_here, caches=caches)
        self._checkpoints = CheckpointWriter(store, session)
        self._memory_limit = MemoryLimit(job.resources, workers_here or workers_on(job.resources))
        self._checkpoint_seconds = min(job.checkpoints.seconds, _SPOT_SECONDS if os.environ.get(SPOT) else math.inf)
        self._reports = 0
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
                    return self._export(trial) if trial.assignment.task == EXPORT else self._train(trial)
            except (DataError, ModelError) as error:
                if self._capture:
                    print(error_text(error), end="", file=sys.stderr)
                return self._report(trial, str(error), "job")
            except DamagedFile as error:
                return self._report(trial, f"It cannot continue: {error}")
            except (StorageError, Superseded) as error:
                trial.discarded = True
                return Report(failure=str(error), cause="storage")
            except BaseException as error:
                if self._ends_process(error):
                    # The trial is intact: another worker resumes it. In the middle of an epoch the weights belong to
                    # no epoch, so it resumes from an older checkpoint.
                    trial.discarded = True
                    raise
                print(error_text(error), end="", file=sys.stderr)
                return self._report(trial, f"{sentence_of(error)}\n\n{error_text(error)}")

    def close(self) -> None:
        """Leave a checkpoint of the current trial, which has ended or moves to another worker."""
        trial, self._trial = self._trial, None
        if trial is None or trial.folder is None:
            return
        with self._captured(trial):
            # Another driver that has taken the study over may have removed the folder.
            with contextlib.suppress(TunepipeError), self._in_folder(trial):
                with contextlib.suppress(TunepipeError):
                    if trial.learner and not trial.discarded and trial.epoch > trial.saved_epoch:
                        self._write(trial, trial.epoch, self._snapshot(trial))
                    self._checkpoints.wait()
                try:
                    if trial.learner is not None:
                        trial.learner.close()
                except (Exception, SystemExit) as error:
                    # A callback's on_train_end; the trial's result is known.
                    print(error_text(error), end="", file=sys.stderr)
            with contextlib.suppress(TunepipeError):
                trial.folder.close()

    def _train(self, trial: ActiveTrial) -> Report:
        started = time.monotonic()
        job, objective, assignment = self._job, self._job.objective, trial.assignment
        if trial.learner is None:
            self._start(trial)
            last = trial.ended or (bool(trial.rows) and trial.epoch >= job.budget.epochs)
            if last:
                self._run_rest(trial)
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
                return self._report(trial, _missing_objective(job, result.metrics), "job")
            for name, number in ((objective.metric, value), ("loss", row["metrics"].get("loss", 0.0))):
                if not math.isfinite(number):
                    return self._report(trial, f"{name} is {number}.\n\nAt epoch {trial.epoch}.")
            if better_epoch(objective, now := reached(row, job.objectives, assignment.config), trial.best):
                trial.best = now
                checkpoint = self._snapshot(trial)
                if not self.trainer_factory.replays(learner_part(checkpoint)):
                    trial.best_checkpoint = trial.epoch, checkpoint
            outcome = interval.after(row, seconds=time.monotonic() - started, ended=trial.ended)
            if outcome.due or self._stop_requested():
                break
        if outcome.last:
            self._run_rest(trial)
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
        result = learner.run_epoch()
        trial.ended = result.last
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
                node=platform.node(),
                trained_with=learner.trained_with,
                phase=result.phase,
            )
        )
        return result

    def _run_rest(self, trial: ActiveTrial) -> None:
        """Run the code of a function after its last step: one step beyond the budget, whose values are not used.

        Its checkpoint is in the storage before: if the worker is lost in that code, no epoch is trained again.
        """
        learner = trial.learner
        if isinstance(learner, FunctionLearner) and learner.unfinished:
            self._leave_checkpoints(trial, due=True)
            with self._waiting(trial):
                self._checkpoints.wait()
            learner.finish()

    def _snapshot(self, trial: ActiveTrial) -> Checkpoint:
        """The trial's state now, as a checkpoint that is not written yet."""
        assert trial.learner is not None
        with self._waiting(trial):
            state = trial.learner.save()
        header = {
            "lineage": lineage(trial.assignment, trial.epoch),
            "best": None if trial.best is None else asdict(trial.best),
            "ended": trial.ended,
            # The newest row changes with the next report.
            "rows": [dict(row) for row in trial.rows],
            "learner": state.header,
        }
        return Checkpoint(header, state.arrays)

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

    def _export(self, trial: ActiveTrial) -> Report:
        """Export the winner, load it back, and evaluate it on the test split, which nothing has used before.

        The report has the metrics of the test split; none if a part of the training is done, and another step
        continues. Raises NotEvaluated if the winner is exported, and cannot be evaluated.
        """
        from pipeline.training.export import export_winner

        assignment, trial.discarded = trial.assignment, True
        if (state := self._state_to_export(trial)) is None:
            return Report()
        with scratch("winner") as folder:
            try:
                metrics = export_winner(
                    self.trainer_factory, assignment.config, state, seed=assignment.seed, folder=folder
                )
            except NotEvaluated:
                self._replace_export(folder, assignment, {})
                raise
            self._replace_export(folder, assignment, metrics)
        return Report(exported=metrics)

    def _state_to_export(self, trial: ActiveTrial) -> Checkpoint | None:
        """The state of the best epoch, or, with folds, after as many epochs on the whole training part."""
        assignment, learner = trial.assignment, trial.learner
        state = learner_part(self._checkpoints.read(layout.checkpoint(assignment.trial_id, assignment.epoch)))
        if self._job.folds == 1:
            return state if self._job.repeats == 1 else first_model(state)
        if learner is None:
            print("tunepipe: The best config is trained again on the whole training split.")
            trial.learner = learner = self.trainer_factory.whole(assignment.config, seed=assignment.seed)
        started = time.monotonic()
        while learner.model_epoch < int(state.header["model_epoch"]) and not learner.run_epoch().last:
            if time.monotonic() - started >= report_seconds(1) or self._stop_requested():
                return None
        return learner.save()

    def _replace_export(self, folder: Path, assignment: Assignment, metrics: Mapping[str, float]) -> None:
        """Replace the study's export by the files in a folder; winner.json, which makes it one, is written last."""
        _write_documents(self._store, folder, assignment, self._job.objective, metrics)
        new = {f"{layout.EXPORT}/{file.name}": file for file in folder.iterdir()}
        last = new.pop(layout.WINNER)
        # Without it a reader takes no file here for the winner's, even if this process is killed in between.
        stale = set(self._store.files(layout.EXPORT)) & set(layout.EXPORTED) - {layout.WINNER, *new}
        for path in (layout.WINNER, *stale):
            self._checkpoints.check()
            self._store.delete(path)
        for path, file in (*sorted(new.items()), (layout.WINNER, last)):
            self._checkpoints.check()
            self._store.write(path, file.read_bytes())

    def _report(
        self,
        trial: ActiveTrial,
        failure: str | None = None,
        cause: Cause = "trial",
        *,
        last: bool = False,
        decided: bool = True,
    ) -> Report:
        """The report of everything since the last one; `decided` says whether the scheduler may decide at its end."""
        self._reports += 1
        trial.discarded |= failure is not None
        with self._waiting(trial):
            if last or decided or failure is not None:
                self._checkpoints.wait()
            stored = self._checkpoints.stored()
        new, trial.reported = trial.rows[trial.reported :], len(trial.rows)
        if new:
            own = [size for trial_id, _, size in stored if trial_id == trial.assignment.trial_id]
            new[-1] |= {"seconds_checkpoint": trial.waited, "bytes_checkpoint": sum(own)}
            trial.waited = 0.0
        repeated, trial.repeated = trial.repeated, 0
        return Report(
            new,
            last,
            checkpoints=stored,
            repeated=repeated,
            over_memory_limit=self._memory_limit.excess(),
            node={**this_machine().record(), "versions": installed()} if self._reports == 1 else None,
            failure=failure,
            cause=cause,
        )

    @contextlib.contextmanager
    def _in_folder(self, trial: ActiveTrial) -> Iterator[None]:
        """Run the user's code in the trial's working folder, which the first step creates."""
        assignment, checkpoints = trial.assignment, self._checkpoints
        directory = self.trainer_factory.directory(assignment.config)
        if trial.folder is None:
            trial.folder = TrialFolder(
                self._store,
                assignment.trial_id,
                new=assignment.new,
                check=checkpoints.check,
            )
        context = TrialContext(assignment.trial_id, assignment.seed, self._job.budget.epochs, trial.folder.folder)
        with in_trial(context, directory):
            yield

    def _captured(self, trial: ActiveTrial) -> contextlib.AbstractContextManager[None]:
        log = layout.log(trial.assignment.trial_id)
        return captured(self._store, log) if self._capture else contextlib.nullcontext()

    @contextlib.contextmanager
    def _waiting(self, trial: ActiveTrial) -> Iterator[None]:
        """Measure how long training waits for a checkpoint."""
        started = time.monotonic()
        yield
        trial.waited += time.monotonic() - started


def shared_caches(store: Store, session: int) -> SharedFolder:
    """The folder of the caches of this machine, the same for all workers of a session.

    A session has the same code, data and versions from start to end, which caches of another session may not have.
    """

    def key() -> str:
        # A study that was deleted may have had the same name and number.
        with contextlib.suppress(FileNotFoundError, StorageError, KeyError, TypeError):
            return str(store.read_json(layout.session(session))["mark"])
        return uuid.uuid4().hex

    return SharedFolder(key)


class MemoryLimit:
    """The memory that this process may hold: `worker_gigabytes`, or its share of 90% of the machine's memory."""

    def __init__(self, resources: Resources, workers: int, memory: int | None = None) -> None:
        given, memory = resources.worker_gigabytes, this_machine().memory if memory is None else memory
        self._bytes, self._growth = (_SHARED * memory / workers, _GROWTH) if given is None else (given * 1e9, 0.0)
        self._first: int | None = None

    def excess(self, held: int | None = None) -> str:
        """Why another process must replace this one after the trial, in words; empty if it may continue."""
        held = process_memory() if held is None else held
        self._first = self._first or held
        if held <= self._bytes or held < self._growth * self._first:
            return ""
        return f"it uses {size(held)}, more than {size(self._bytes)}, its limit (resources.worker_gigabytes)"


def _missing_objective(job: TuneJob, metrics: Mapping[str, float]) -> str:
    """A message that the first objective is missing, with the metrics there are, and what to do."""
    metric = job.objective.metric
    other = f'yield {{"{metric}": …}}' if job.function is not None else "compile the model with that metric"
    return (
        f"The objective {metric!r} is not among the metrics: {', '.join(metrics)}.{did_you_mean(metric, metrics)} Name "
        f"one of them with --set objectives.0.metric=NAME, or {other}."
    )


def _write_documents(
    store: Store, folder: Path, assignment: Assignment, objective: Objective, metrics: Mapping[str, float]
) -> None:
    """Write what an exported model is, and where it is from; docs/results-json.md has the keys."""
    content = {
        "trial_id": assignment.trial_id,
        "epoch": assignment.epoch,
        "config": assignment.config,
        "objective": {"metric": objective.metric, "mode": objective.mode, "value": assignment.value},
        # JSON has no NaN: a metric that is not finite is null.
        "metrics": {name: value if math.isfinite(value) else None for name, value in metrics.items()},
    }
    sessions, study = sessions_objects(read_sessions(store)), without_keys(store.uri)
    provenance = {"seed": assignment.seed, **content, "study": study, "sessions": sessions}
    for path, document in ((layout.PROVENANCE, provenance), (layout.WINNER, content)):
        (folder / Path(path).name).write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")
