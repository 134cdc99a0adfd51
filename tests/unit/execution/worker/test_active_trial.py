"""The trial that a worker trains."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pipeline.engine.messages import Assignment
from pipeline.errors import DamagedFile
from pipeline.execution.worker.active_trial import ActiveTrial
from pipeline.execution.worker.checkpoint_writer import CheckpointWriter
from pipeline.storage import Store
from pipeline.study import Budget, Objective, TuneJob
from pipeline.training.base import TrainingEnded
from pipeline.training.trainer_factory import TrainerFactory

OBJECTIVE = Objective("score", "max")


def climb(config: Mapping[str, Any], state: Any) -> Iterator[tuple[dict[str, float], int]]:
    """Three steps, from the one that the state names; the score is best at the second."""
    for step in range(state or 0, 3):
        yield {"score": (0.1, 0.9, 0.5)[step] + config["x"]}, step + 1


@pytest.fixture
def factory() -> TrainerFactory:
    """Makes learners of the function."""
    job = TuneJob(name="s", function=climb, space={"x": 0.0}, objectives=OBJECTIVE, budget=Budget(trials=1, epochs=8))
    return TrainerFactory(job, None)


@pytest.fixture
def writer(tmp_path: Any) -> CheckpointWriter:
    """Writes into a study's folder."""
    return CheckpointWriter(Store(tmp_path), session=1)


def _started(factory: TrainerFactory, writer: CheckpointWriter, **changes: Any) -> ActiveTrial:
    trial = ActiveTrial(Assignment(**{"trial_id": "0000", "config": {"x": 0.0}, "seed": 0, **changes}))
    trial.start(factory, writer, OBJECTIVE)
    return trial


def _train(trial: ActiveTrial, epochs: int) -> None:
    for _ in range(epochs):
        trial.train_epoch("node-1", lambda _epoch, _ended: True)


def test_each_epoch_is_a_row(factory: TrainerFactory, writer: CheckpointWriter) -> None:
    """Each epoch is delivered once as a row with the assignment's attempt and segment and the node."""
    trial = _started(factory, writer, attempt=2)
    _train(trial, 2)
    rows = trial.new_rows(checkpoint_bytes=30)
    assert [(row.epoch, row.attempt, row.segment, row.node, row.metrics["score"]) for row in rows] == [
        (1, 2, 1, "node-1", 0.1),
        (2, 2, 1, "node-1", 0.9),
    ]
    assert [row.bytes_checkpoint for row in rows] == [0, 30]
    assert trial.new_rows(checkpoint_bytes=0) == ()


def test_training_that_has_ended_has_no_further_epoch(factory: TrainerFactory, writer: CheckpointWriter) -> None:
    """Training past the function's last step raises TrainingEnded and leaves no epoch in progress."""
    trial = _started(factory, writer)
    with pytest.raises(TrainingEnded):
        _train(trial, 4)
    assert (trial.epoch, trial.in_epoch) == (3, False)


def test_a_trial_continues_from_its_checkpoint(factory: TrainerFactory, writer: CheckpointWriter) -> None:
    """A trial continues from its checkpoint with its earlier rows and its best value."""
    first = _started(factory, writer)
    _train(first, 2)
    first.best = 0.9
    first.leave_checkpoints(writer, due=True, seconds=1e9)
    assert [written.epoch for written in writer.written(wait=True)] == [2]
    second = _started(factory, writer, attempt=2)
    assert (second.epoch, second.saved_epoch, second.best) == (2, 2, 0.9)
    _train(second, 1)
    assert [row.metrics["score"] for row in second.rows] == [0.1, 0.9, 0.5]


def test_a_checkpoint_is_written_when_it_is_due(factory: TrainerFactory, writer: CheckpointWriter) -> None:
    """A checkpoint is written on demand or after some seconds, and once for each epoch."""
    trial = _started(factory, writer)
    _train(trial, 1)
    trial.leave_checkpoints(writer, due=False, seconds=1e9)
    assert writer.written(wait=True) == []
    trial.leave_checkpoints(writer, due=False, seconds=0.0)
    trial.leave_checkpoints(writer, due=True, seconds=0.0)
    assert [written.epoch for written in writer.written(wait=True)] == [1]


def test_the_best_epoch_is_written_later(factory: TrainerFactory, writer: CheckpointWriter) -> None:
    """The state of the best epoch is kept until it is written, whatever is trained in the meantime."""
    trial = _started(factory, writer)
    _train(trial, 2)
    trial.best_checkpoint = (2, trial.snapshot(writer))
    _train(trial, 1)
    trial.leave_checkpoints(writer, due=False, seconds=1e9)
    assert [written.epoch for written in writer.written(wait=True)] == [2]
    assert trial.best_checkpoint is None


def test_weights_of_another_trial_are_taken_over_at_the_own_epoch(
    factory: TrainerFactory, writer: CheckpointWriter
) -> None:
    """A trial with another's weights begins at its own epoch without rows, and missing weights are named."""
    donor = _started(factory, writer, trial_id="0001")
    _train(donor, 2)
    donor.leave_checkpoints(writer, due=True, seconds=1e9)
    writer.written(wait=True)
    taken: dict[str, Any] = {"segment": 2, "epoch": 5, "parent_trial": "0001"}
    receiver = _started(factory, writer, **taken, parent_epoch=2)
    assert (receiver.epoch, receiver.rows) == (5, [])
    with pytest.raises(
        DamagedFile, match=r"checkpoints/0001/000003\.ckpt, whose weights the trial copied, no longer exists"
    ):
        _started(factory, writer, **taken, parent_epoch=3)
