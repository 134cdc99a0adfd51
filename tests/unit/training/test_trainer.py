"""A model in training: the report of an epoch."""

from typing import Any

import keras
import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.study import Objective
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.model_kinds import dense, rows_of_six
from tests.unit.training.reference_training import job_of

SEED = 3


class _Notes(keras.callbacks.Callback):
    """Adds a number and a text to each epoch's logs."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs |= {"own": 7.0, "note": f"a text of {logs['loss']}"}


@pytest.mark.parametrize("memory", [None, 100.0], ids=["compiled", "fit"])
def test_updates_are_counted(memory: float | None) -> None:
    """Each epoch adds its steps to the count of optimiser updates."""
    learner = TrainerFactory(job_of(dense), rows_of_six(), memory=memory).learner({}, seed=SEED)
    assert [learner.run_epoch().updates for _ in range(2)] == [6, 12]


def test_logs_that_are_no_numbers_are_left_out_and_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A callback's text in the logs is omitted and reported once for all trials, and its numbers are metrics."""
    factory = TrainerFactory(job_of(dense, callbacks=lambda _config: [_Notes()]), rows_of_six())
    metrics = [factory.learner({}, seed=SEED + trial).run_epoch().metrics for trial in range(2)]
    assert [(each["own"], "note" in each) for each in metrics] == [(7.0, False)] * 2
    assert capsys.readouterr().out.count("note is") == 1


class _Vector(keras.callbacks.Callback):
    """Sets a metric of several numbers, as F1Score without an average."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["val_f1_score"] = np.array([0.5, 0.25])


def test_an_objective_of_several_numbers_is_refused() -> None:
    """An objective that is an array is refused with its values, and with a metric of one number."""
    job = job_of(dense, callbacks=lambda _config: [_Vector()])
    job = job.replaced({"objectives": [Objective("val_f1_score", "max")]})
    learner = TrainerFactory(job, rows_of_six()).learner({}, seed=SEED)
    with pytest.raises(ModelError, match=r"'val_f1_score' is an array of shape \(2,\).*average=\"macro\""):
        learner.run_epoch()
