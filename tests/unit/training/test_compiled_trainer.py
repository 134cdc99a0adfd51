"""Training by compiled epochs: on inputs alone and on texts, it equals Keras' fit."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline.datasets import Dataset, Split
from pipeline.study import Objective
from pipeline.training.compiled_trainer import CompiledTrainer
from pipeline.training.fit_trainer import FitTrainer
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.programs.generative import autoencoder, vae
from tests.unit.training.programs.texts import reading, text_arrays
from tests.unit.training.reference_training import job_of

ROWS = np.random.default_rng(0).normal(size=(24, 6)).astype("float32")


def _inputs() -> Dataset:
    return Dataset("inputs", Split(ROWS))


def _metrics(build: Callable[..., Any], data: Dataset, memory: float | None, kind: type) -> list[Mapping[str, float]]:
    job = job_of(build, objectives=[Objective("loss", "min")])
    learner = TrainerFactory(job, data, memory=memory).learner({}, seed=3)
    assert type(learner) is kind
    return [dict(learner.run_epoch().metrics) for _ in range(2)]


@pytest.mark.parametrize("build", [autoencoder, vae])
def test_inputs_alone_train_both_ways(build: Callable[..., Any]) -> None:
    """A compiled epoch without targets and validation equals one of fit, with and without a call()."""
    compiled = _metrics(build, _inputs(), None, CompiledTrainer)
    assert set(compiled[0]) == {"loss"}
    assert compiled == _metrics(build, _inputs(), 0, FitTrainer)


def test_texts_reach_the_layers_that_read_them() -> None:
    """A model with TextVectorization trains on arrays of text, as Unicode and as objects, compiled and with fit."""
    data = text_arrays()
    objects = replace(data, train=Split(data.train.x.astype(object), data.train.y))
    compiled = _metrics(reading, data, None, CompiledTrainer)
    assert set(compiled[0]) == {"accuracy", "loss", "val_accuracy", "val_loss"}
    assert compiled == _metrics(reading, objects, None, CompiledTrainer)
    assert compiled == _metrics(reading, objects, 0, FitTrainer)
