"""A trial's model from its checkpoint."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from pipeline.datasets import Dataset, Split
from pipeline.engine.messages import Assignment
from pipeline.execution.worker.rebuilding import rebuilt_model
from pipeline.execution.worker.worker import Worker
from pipeline.storage import Store
from pipeline.study import Budget, Checkpoints, Objective, TuneJob

ROWS = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
ASSIGNMENT = Assignment("0000", {"lr": 0.1}, 7, epoch=2)


def build(config: Mapping[str, Any]) -> Any:
    """One layer that learns its shape from its inputs."""
    import keras

    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(config["lr"]), "mse")
    return model


def rows() -> Dataset:
    """A sum to be learned."""
    split = Split(ROWS, ROWS.sum(axis=1, keepdims=True))
    return Dataset("sums", split, split)


def no_batch() -> Any:
    """Fails: a layer that learns its shape from its inputs needs no specification of a batch."""
    raise AssertionError("a batch was asked for")


@pytest.fixture
def job() -> TuneJob:
    """Two epochs, with a checkpoint at each."""
    return TuneJob(
        name="s", model=build, data=rows, space={"lr": 0.1}, objectives=[Objective("val_loss", "min")],
        budget=Budget(trials=1, epochs=2), scheduler="fifo", checkpoints=Checkpoints(seconds=1e-9),
    )  # fmt: skip


def test_a_model_has_the_weights_of_its_checkpoint(job: TuneJob, tmp_path: Any) -> None:
    """A model rebuilt from its checkpoint and an example input has the loss that the trial reported."""
    worker = Worker(job, rows(), Store(tmp_path), session=1, capture=False)
    worker.begin(Assignment("0000", {"lr": 0.1}, 7))
    reports = [worker.step()]
    while not reports[-1].last:
        reports.append(worker.step())
    worker.close()
    model = rebuilt_model(job, Store(tmp_path), ASSIGNMENT, lambda: ROWS[:1], no_batch)
    loss = model.evaluate(ROWS, ROWS.sum(axis=1, keepdims=True), verbose=0)
    assert loss == pytest.approx(reports[-1].rows[-1].metrics["val_loss"], rel=1e-5)


def test_a_missing_checkpoint_is_an_error(job: TuneJob, tmp_path: Any) -> None:
    """A missing checkpoint raises an error before a model is built."""
    with pytest.raises(FileNotFoundError):
        rebuilt_model(job, Store(tmp_path), ASSIGNMENT, lambda: ROWS[:1], no_batch)
