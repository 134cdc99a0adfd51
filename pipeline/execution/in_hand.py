"""The trial that a worker has in hand: from where it starts, and what is still to be told of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipeline.course.messages import Assignment, EpochRow
from pipeline.errors import DamagedFile
from pipeline.execution.keeping import Keeper, learner_part
from pipeline.storage import Checkpoint
from pipeline.study import Objective, layout
from pipeline.training.base import Learner
from pipeline.training.workplace import Workplace

__all__ = ["TrialInHand"]


@dataclass(slots=True)
class TrialInHand:
    """What a worker knows of its trial.

    Args:
        assignment: What the driver has said.
        learner: What is trained; None before the first step.
        epoch: How far the trial is.
        best: Its best value of the objective.
        best_checkpoint: The epoch and the state of the best value, as long as it is not written.
        rows: Those of its segment so far.
        delivered: How many of them the driver has been told.
        in_epoch: Whether an epoch is being trained: then the weights are of no epoch.
        ended: Whether the training itself has ended it, as EarlyStopping does.
        saved_epoch: The epoch of its newest checkpoint; -1 without one.
        saved_at: When that was written, by the monotonic clock.
        waited: Seconds in which training stood still for checkpoints, since the last report.
        over: Whether nothing of it is to be kept any more.
    """

    assignment: Assignment
    learner: Learner | None = None
    epoch: int = 0
    best: float | None = None
    best_checkpoint: tuple[int, Checkpoint] | None = None
    rows: list[EpochRow] = field(default_factory=list)
    delivered: int = 0
    in_epoch: bool = False
    ended: bool = False
    saved_epoch: int = -1
    saved_at: float = 0.0
    waited: float = 0.0
    over: bool = False

    def start(self, workplace: Workplace, keeper: Keeper, objective: Objective) -> None:
        """Build its learner, and bring it to where the trial is: its own newest checkpoint, or the one it takes over.

        Args:
            workplace: Where it is trained.
            keeper: Reads checkpoints.
            objective: Says which value is better.

        Raises:
            DamagedFile: The checkpoint that it takes over is gone, or damaged.
            ModelError: There is no model to train.
        """
        assignment = self.assignment
        self.learner = workplace.learner(assignment.config, seed=assignment.seed)
        self.saved_at = time.monotonic()
        own = keeper.newest(assignment)
        if own is not None:
            self.learner.load(learner_part(own))
            self.epoch = self.saved_epoch = int(own.header["lineage"]["epoch"])
            self.ended = bool(own.header["ended"])
            self.rows = [EpochRow.from_json(row) for row in own.header["rows"]]
            if (best := own.header.get("best")) is not None and objective.better(best, self.best):
                self.best = best
        elif assignment.parent_trial is not None:
            path = layout.checkpoint(assignment.parent_trial, assignment.parent_epoch or 0)
            self.learner.load(learner_part(_parent(keeper, path)), exploit=True)
            self.epoch = assignment.epoch

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Count the time in which training stands still for a checkpoint."""
        started = time.monotonic()
        yield
        self.waited += time.monotonic() - started


def _parent(keeper: Keeper, path: str) -> Checkpoint:
    try:
        return keeper.read(path)
    except FileNotFoundError:
        raise DamagedFile(f"{path}, whose weights the trial took over, is gone.") from None
