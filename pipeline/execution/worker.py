"""A worker's side of a trial: takes an assignment, trains epoch by epoch, reports, leaves checkpoints.

It knows no Ray: the Trainable calls it in a worker process, and `--workers 0` calls it in the driver's own.
"""

import contextlib
import json
import math
import platform
import time
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from pipeline.datasets import Dataset
from pipeline.errors import DamagedFile, ModelError, TunepipeError
from pipeline.execution.messages import Assignment, EpochRow, Report
from pipeline.execution.output import captured
from pipeline.storage import Checkpoint, Store, pack, unpack
from pipeline.study import TuneJob, layout
from pipeline.training.base import EpochResult, Learner, TrainingEnded
from pipeline.training.workplace import Workplace

__all__ = ["REPORT_SECONDS", "Worker"]

REPORT_SECONDS = 2.0
"""A trial reports at the latest after this many seconds, or after the epoch that passes them."""


@dataclass(slots=True)
class _Trial:
    """The trial in hand."""

    assignment: Assignment
    learner: Learner | None = None
    epoch: int = 0
    first_segment_epoch: int = 0
    best: float | None = None
    best_checkpoint: tuple[int, Checkpoint] | None = None
    rows: list[EpochRow] = field(default_factory=list)
    delivered: int = 0
    in_epoch: bool = False
    written: list[int] = field(default_factory=list)
    saved_epoch: int = -1
    saved_at: float = 0.0
    seconds_checkpoint: float = 0.0
    over: bool = False


class Worker:
    """Trains one trial after the other in this process.

    Args:
        job: The study's job.
        data: Its data; None for a function objective.
        store: The study's folder.
        capture: Whether what a trial prints goes to its log, rather than to this process's own output.
    """

    def __init__(self, job: TuneJob, data: Dataset | None, store: Store, *, capture: bool = True) -> None:
        self._capture = capture
        self._job = job
        self._store = store
        self._workplace = Workplace(job, data)
        self._node = platform.node()
        self._trial: _Trial | None = None

    def begin(self, assignment: Assignment) -> None:
        """Take over an assignment; whatever was in hand is closed first. Nothing is built before the first step."""
        self.close()
        self._trial = _Trial(assignment)

    def step(self) -> Report:
        """Train until there is something to report.

        Returns:
            The report. The user's own mistakes are in it as a failure; what raises is a mistake of tunepipe's.
        """
        assert self._trial is not None, "a step needs an assignment"
        trial = self._trial
        with self._captured(trial):
            try:
                return self._finish(trial) if trial.assignment.task == "finish" else self._train(trial)
            except ModelError as error:
                if self._capture:
                    traceback.print_exc()
                return self._reported(trial, unusable=str(error))
            except (Exception, SystemExit) as error:
                traceback.print_exc()
                return self._reported(trial, failure=_told(error))

    def close(self) -> None:
        """The trial in hand is over or goes on elsewhere: leave a checkpoint of where it is."""
        trial, self._trial = self._trial, None
        if trial is None or trial.learner is None:
            return
        with self._captured(trial), contextlib.suppress(TunepipeError):
            # In the middle of an epoch the weights are of no epoch: the trial goes on from an older checkpoint.
            if not trial.over and not trial.in_epoch and trial.epoch > trial.saved_epoch:
                self._write(trial, trial.epoch, self._snapshot(trial))
        with contextlib.suppress(Exception):
            trial.learner.close()

    def _captured(self, trial: _Trial) -> contextlib.AbstractContextManager[None]:
        if not self._capture:
            return contextlib.nullcontext()
        return captured(self._store, layout.log(trial.assignment.trial_id))

    def _train(self, trial: _Trial) -> Report:
        started = time.monotonic()
        if trial.learner is None:
            self._start(trial)
            if trial.rows and trial.epoch >= self._job.budget.epochs:
                return self._reported(trial, last=True)
        assert trial.learner is not None
        job, objective = self._job, self._job.objective
        milestone = job.scheduler.next_milestone(trial.epoch, job.budget.epochs)
        while True:
            trial.in_epoch = True
            try:
                result = trial.learner.run_epoch()
            except TrainingEnded:
                trial.in_epoch, last = False, True
                break
            trial.in_epoch = False
            trial.epoch += 1
            trial.rows.append(self._row(trial, result))
            value = result.metrics.get(objective.metric)
            if value is None:
                return self._reported(trial, unusable=_unknown(objective.metric, result))
            if not math.isfinite(value):
                trial.over = True
                return self._reported(trial, failure=f"{objective.metric} is {value} at epoch {trial.epoch}.")
            if objective.better(value, trial.best):
                trial.best = value
                trial.best_checkpoint = (trial.epoch, self._snapshot(trial))
            target = job.budget.target
            last = (
                result.last
                or trial.epoch >= job.budget.epochs
                or (target is not None and objective.reaches(value, target))
            )
            now = time.monotonic()
            # Where epochs are counted over all trials, each is told at once.
            due = trial.epoch >= milestone or now - started >= REPORT_SECONDS or job.budget.total_epochs is not None
            if last or due:
                break
        self._leave_checkpoints(trial, due=last or (trial.epoch >= milestone and job.scheduler.needs_checkpoint))
        return self._reported(trial, last=last)

    def _start(self, trial: _Trial) -> None:
        assignment = trial.assignment
        trial.learner = self._workplace.learner(assignment.config, seed=assignment.seed)
        trial.saved_at = time.monotonic()
        own = self._newest(assignment.trial_id, segment=assignment.segment)
        if own is not None:
            lineage = own.header["lineage"]
            trial.learner.load(_learner_part(own))
            trial.epoch = trial.saved_epoch = int(lineage["epoch"])
            trial.rows = [EpochRow(**row) for row in own.header["rows"]]
            if (best := own.header.get("best")) is not None and self._job.objective.better(best, trial.best):
                trial.best = best
        elif assignment.parent_trial is not None:
            path = layout.checkpoint(assignment.parent_trial, assignment.parent_epoch or 0)
            trial.learner.load(_learner_part(self._read(path)), exploit=True)
            trial.epoch = assignment.epoch

    def _newest(self, trial_id: str, segment: int) -> Checkpoint | None:
        """The newest whole checkpoint of the trial under this config; a damaged one is passed over."""
        folder = str(PurePosixPath(layout.checkpoint(trial_id, 0)).parent)
        for path in reversed(self._store.files(folder)):
            try:
                checkpoint = self._read(path)
            except (DamagedFile, FileNotFoundError) as error:
                print(f"tunepipe: {error} An older checkpoint is used.")
                continue
            if checkpoint.header["lineage"]["segment"] >= segment:
                return checkpoint
        return None

    def _read(self, path: str) -> Checkpoint:
        return unpack(self._store.read(path), path)

    def _row(self, trial: _Trial, result: EpochResult) -> EpochRow:
        assert trial.learner is not None
        seconds_checkpoint, trial.seconds_checkpoint = trial.seconds_checkpoint, 0.0
        return EpochRow(
            attempt=trial.assignment.attempt,
            segment=trial.assignment.segment,
            epoch=trial.epoch,
            model_epoch=trial.learner.model_epoch,
            metrics=dict(result.metrics),
            learning_rate=result.learning_rate,
            seconds_build=result.seconds_build,
            seconds_train=result.seconds_train,
            seconds_evaluate=result.seconds_evaluate,
            seconds_checkpoint=seconds_checkpoint,
            time=time.time(),
            node=self._node,
        )

    def _snapshot(self, trial: _Trial) -> Checkpoint:
        """The learner's state with the trial's lineage and its rows: the driver may die before it has written them."""
        assert trial.learner is not None
        state = trial.learner.save()
        assignment = trial.assignment
        header = {
            "lineage": {
                "trial_id": assignment.trial_id,
                "epoch": trial.epoch,
                "segment": assignment.segment,
                "config": assignment.config,
                "seed": assignment.seed,
            },
            "best": trial.best,
            "rows": [asdict(row) for row in trial.rows],
            "learner": state.header,
        }
        return Checkpoint(header, state.arrays)

    def _leave_checkpoints(self, trial: _Trial, *, due: bool) -> None:
        if trial.best_checkpoint is not None:
            epoch, checkpoint = trial.best_checkpoint
            self._write(trial, epoch, checkpoint)
            trial.best_checkpoint = None
        due = due or time.monotonic() - trial.saved_at >= self._job.checkpoints.seconds
        if due and trial.epoch > trial.saved_epoch:
            self._write(trial, trial.epoch, self._snapshot(trial))

    def _write(self, trial: _Trial, epoch: int, checkpoint: Checkpoint) -> None:
        started = time.monotonic()
        self._store.write(layout.checkpoint(trial.assignment.trial_id, epoch), pack(checkpoint))
        trial.saved_at = time.monotonic()
        trial.seconds_checkpoint += trial.saved_at - started
        trial.saved_epoch = max(trial.saved_epoch, epoch)
        trial.written.append(epoch)

    def _reported(
        self, trial: _Trial, *, last: bool = False, failure: str | None = None, unusable: str | None = None
    ) -> Report:
        trial.over = trial.over or failure is not None or unusable is not None
        rows, trial.delivered = tuple(trial.rows[trial.delivered :]), len(trial.rows)
        written, trial.written = tuple(trial.written), []
        return Report(rows, trial.epoch, last, failure, unusable, written)

    def _finish(self, trial: _Trial) -> Report:
        """Export the winner, load it back, and score it on the test split, which nothing has touched before."""
        from pipeline.training.export import winner

        assignment = trial.assignment
        trial.over = True
        checkpoint = self._read(layout.checkpoint(assignment.trial_id, assignment.epoch))
        with TemporaryDirectory() as name:
            folder = Path(name)
            metrics = winner(
                self._workplace,
                assignment.config,
                _learner_part(checkpoint),
                seed=assignment.seed,
                folder=folder,
            )
            told = {"trial_id": assignment.trial_id, "epoch": assignment.epoch, "config": assignment.config}
            (folder / PurePosixPath(layout.WINNER).name).write_text(
                json.dumps({**told, "metrics": metrics}, indent=2) + "\n"
            )
            for file in sorted(folder.iterdir()):
                self._store.write(f"{layout.EXPORT}/{file.name}", file.read_bytes())
        return Report(epoch=assignment.epoch, last=True, winner=metrics)


def _learner_part(checkpoint: Checkpoint) -> Checkpoint:
    return Checkpoint(checkpoint.header["learner"], checkpoint.arrays)


def _unknown(metric: str, result: EpochResult) -> str:
    return (
        f"The objective {metric!r} is not among the metrics of the model. "
        f"There are: {', '.join(result.metrics)}. Choose one of them with --set objectives, "
        "or compile the model with that metric."
    )


def _told(error: BaseException) -> str:
    """The error as its trial's row keeps it: what happened first, then where."""
    return f"{type(error).__name__}: {error}\n\n{''.join(traceback.format_exception(error))}"
