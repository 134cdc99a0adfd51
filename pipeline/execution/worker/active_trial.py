"""The trial that a worker trains: its learner, its rows since the last report, and its checkpoints."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from pipeline.engine.incumbent import better_epoch
from pipeline.engine.messages import Assignment, EpochRow, ProgressReport
from pipeline.engine.objective_values import violation_in
from pipeline.engine.reporting import TRAINING_ENDED, EpochOutcome
from pipeline.errors import DamagedFile
from pipeline.execution.worker.checkpoint_writer import CheckpointWriter, learner_part
from pipeline.execution.worker.trial_folder import TrialFolder
from pipeline.storage import Checkpoint
from pipeline.study import Objective, layout
from pipeline.training.base import Learner, TrainingEnded, run_validated_epoch
from pipeline.training.function import FunctionLearner
from pipeline.training.trainer_factory import TrainerFactory


@dataclass(slots=True)
class ActiveTrial:
    """A worker's state of its trial."""

    assignment: Assignment
    learner: Learner | None = None
    epoch: int = 0
    best: float | None = None
    violation: float = 0.0
    best_checkpoint: tuple[int, Checkpoint] | None = None
    rows: list[EpochRow] = field(default_factory=list)
    delivered: int = 0
    in_epoch: bool = False
    ended: bool = False
    saved_epoch: int = -1
    saved_at: float = 0.0
    waited: float = 0.0
    is_over: bool = False
    folder: TrialFolder | None = None
    outcome: EpochOutcome | None = None
    finished: bool = False
    announced_bytes: int = 0
    ends_process: Callable[[SystemExit], bool] = lambda _: False

    def start(self, trainer_factory: TrainerFactory, writer: CheckpointWriter, objective: Objective) -> None:
        """Build the learner, and load the trial's newest checkpoint, or the one whose weights it takes over."""
        assignment = self.assignment
        own = writer.newest(assignment)
        from_beginning = own is None and assignment.parent_trial is None
        state = None if own is None else learner_part(own)
        replays = own is not None and trainer_factory.replays(state)
        if self.folder is not None and not assignment.new and (from_beginning or replays):
            # The attempt writes the files of an earlier one again.
            self.folder.clear()
        self.learner = trainer_factory.learner(assignment.config, seed=assignment.seed)
        self.saved_at = time.monotonic()
        if own is not None and state is not None:
            self.learner.load(state)
            self.epoch = self.saved_epoch = int(own.header["lineage"]["epoch"])
            self.ended = bool(own.header["ended"])
            self.rows = [EpochRow.from_json(row) for row in own.header["rows"]]
            best, violation = own.header.get("best"), float(own.header.get("violation", 0.0))
            if best is not None and better_epoch(objective, violation, best, than=(self.violation, self.best)):
                self.best, self.violation = best, violation
        elif assignment.parent_trial is not None:
            path = layout.checkpoint(assignment.parent_trial, assignment.parent_epoch or 0)
            self.learner.load(learner_part(_parent(writer, path)), exploit=True)
            self.epoch = assignment.epoch

    def train_epoch(self, node: str, compared: Callable[[int, bool], bool]) -> Mapping[str, float] | None:
        """Train an epoch, and keep its row for the next report."""
        assert self.learner is not None
        self.in_epoch = True
        try:
            result = run_validated_epoch(self.learner, lambda result: compared(self.epoch + 1, result.last))
        except TrainingEnded:
            self.in_epoch = False
            raise
        except SystemExit as error:
            if not self._has_exited(error):
                raise
            self.in_epoch = False
            raise TrainingEnded from None
        self.in_epoch = False
        self.epoch += 1
        self.ended = result.last
        row = EpochRow(
            attempt=self.assignment.attempt,
            segment=self.assignment.segment,
            epoch=self.epoch,
            model_epoch=self.learner.model_epoch,
            metrics=result.metrics,
            learning_rate=result.learning_rate,
            seconds_build=result.seconds_build,
            seconds_train=result.seconds_train,
            seconds_evaluate=result.seconds_evaluate,
            seconds_checkpoint=0.0,
            bytes_checkpoint=0,
            time=time.time(),
            node=node,
            updates=result.updates,
            parameters=result.parameters,
            trained_with=self.learner.trained_with,
            phase=result.phase,
        )
        self.rows.append(row)
        return result.metrics if result.validated else None

    @property
    def has_finished(self) -> bool:
        """Whether its function has run to its end before, under a smaller budget, and has no other step to take."""
        learner = self.learner
        return self.assignment.finished and isinstance(learner, FunctionLearner) and learner.replayed_to_end

    def begin_to_finish(self, outcome: EpochOutcome, writer: CheckpointWriter) -> ProgressReport | None:
        """The report that the code of a function after its last step runs next; None if there is none to run.

        The trial's checkpoint is in the storage before: if the worker is lost in that code, no epoch is repeated.
        """
        if not isinstance(self.learner, FunctionLearner) or not self.learner.unfinished:
            return None
        self.outcome = outcome
        self.leave_checkpoints(writer, due=True, seconds=math.inf, all_here=True)
        with self.waiting():
            written = writer.written(wait=True)
        self.announced_bytes += sum(checkpoint.bytes for checkpoint in written if not checkpoint.found)
        reported = self.rows[self.delivered - 1].epoch if self.delivered else self.assignment.reported_epoch
        checkpoints = {checkpoint.epoch: checkpoint.bytes for checkpoint in written}
        return ProgressReport(epoch=reported, checkpoints=checkpoints, finishing=True)

    def finish(self) -> EpochOutcome | None:
        """Run the rest of a function, where `begin_to_finish` has reported that it is next."""
        if (outcome := self.outcome) is None:
            return None
        assert isinstance(self.learner, FunctionLearner)
        self.outcome = None
        try:
            self.finished = self.learner.finish()
        except SystemExit as error:
            if not self._has_exited(error):
                raise
            self.finished = True
        return TRAINING_ENDED if self.finished else outcome

    def _has_exited(self, error: SystemExit) -> bool:
        """Whether a function has ended itself after a step, as a script may by `sys.exit()`."""
        by_itself = error.code in (None, 0) and not self.ends_process(error)
        return by_itself and self.epoch > 0 and isinstance(self.learner, FunctionLearner)

    def keep_best(
        self, value: float, objectives: Sequence[Objective], trainer_factory: TrainerFactory, writer: CheckpointWriter
    ) -> None:
        """Keep the state of the newest epoch if it is the trial's best."""
        violation = violation_in(self.rows[-1], objectives)
        if not better_epoch(objectives[0], violation, value, than=(self.violation, self.best)):
            return
        self.best, self.violation = value, violation
        best = self.snapshot(writer)
        if not trainer_factory.replays(learner_part(best)):
            self.best_checkpoint = (self.epoch, best)

    def snapshot(self, writer: CheckpointWriter) -> Checkpoint:
        """The trial's state now, as a checkpoint that is not written yet."""
        assert self.learner is not None
        with self.waiting():
            return writer.snapshot(
                self.assignment,
                self.learner.save(),
                epoch=self.epoch,
                best=self.best,
                violation=self.violation,
                ended=self.ended,
                rows=self.rows,
            )

    def save(self, writer: CheckpointWriter, epoch: int, checkpoint: Checkpoint) -> None:
        """Begin to write a checkpoint."""
        writer.write(self.assignment.trial_id, epoch, checkpoint)
        self.saved_at = time.monotonic()
        self.saved_epoch = max(self.saved_epoch, epoch)

    def leave_checkpoints(self, writer: CheckpointWriter, *, due: bool, seconds: float, all_here: bool = False) -> None:
        """Begin to write the checkpoint of a new best epoch, and one of the current epoch if that is due."""
        if self.best_checkpoint is not None:
            self.save(writer, *self.best_checkpoint)
            self.best_checkpoint = None
        due = due or time.monotonic() - self.saved_at >= seconds
        if due and self.epoch > self.saved_epoch:
            self.save(writer, self.epoch, self.snapshot(writer))
        if self.folder is not None and self.saved_epoch == self.epoch:
            with self.waiting():
                self.folder.keep(all_here=all_here)

    def new_rows(self, *, checkpoint_bytes: int) -> tuple[EpochRow, ...]:
        """The rows since the last report; the newest one has the size and the time of the checkpoints since then."""
        if self.rows[self.delivered :]:
            written = checkpoint_bytes + self.announced_bytes
            self.rows[-1] = replace(self.rows[-1], seconds_checkpoint=self.waited, bytes_checkpoint=written)
            self.waited, self.announced_bytes = 0.0, 0
        rows, self.delivered = tuple(self.rows[self.delivered :]), len(self.rows)
        return rows

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Add the time within the context to `waited`: training waits for a checkpoint."""
        started = time.monotonic()
        yield
        self.waited += time.monotonic() - started


def _parent(writer: CheckpointWriter, path: str) -> Checkpoint:
    try:
        return writer.read(path)
    except FileNotFoundError:
        raise DamagedFile(f"{path}, whose weights the trial copied, no longer exists.") from None
