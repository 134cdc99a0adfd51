"""A model in training: the report of an epoch."""

from typing import Any

import keras
import pytest

from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.kinds import dense, rows_of_six
from tests.unit.training.training import job_of

SEED = 3


class _Notes(keras.callbacks.Callback):
    """Adds a number and a text to each epoch's logs."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs |= {"own": 7.0, "note": "a text"}


@pytest.mark.parametrize("memory", [None, 100.0], ids=["compiled", "fit"])
def test_updates_are_counted(memory: float | None) -> None:
    """Each epoch adds its steps to the count of optimiser updates."""
    learner = TrainerFactory(job_of(dense), rows_of_six(), memory=memory).learner({}, seed=SEED)
    assert [learner.run_epoch().updates for _ in range(2)] == [6, 12]


def test_logs_that_are_no_numbers_are_left_out_and_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A callback's text in the logs is omitted and reported once, and its numbers are metrics."""
    job = job_of(dense, callbacks=lambda _config: [_Notes()])
    learner = TrainerFactory(job, rows_of_six()).learner({}, seed=SEED)
    metrics = [learner.run_epoch().metrics for _ in range(2)]
    assert [(each["own"], "note" in each) for each in metrics] == [(7.0, False)] * 2
    assert capsys.readouterr().out.count("note is") == 1
