"""Data of a function of the config: loaded once for each combination in a process, within the memory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from pipeline.datasets import ConfigReads, Dataset, Split
from pipeline.study import TuneJob
from pipeline.study.context import TrialContext, in_trial
from pipeline.training.build import ModelBuilder
from pipeline.training.compiled_trainer import CompiledTrainer
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.reference_training import job_of

CALLS: list[tuple[int, str]] = []
SCALE = 0.0


def wide(config: Mapping[str, Any]) -> Dataset:
    """Rows of as many columns as the config says; records its calls."""
    width = config["width"]
    CALLS.append((width, str(Path.cwd())))
    x = np.random.normal(size=(24, width)).astype("float32")
    return Dataset("wide", *(Split(part, part.sum(axis=1)) for part in (x[:16], x[16:])))


def wide_pipelines(config: Mapping[str, Any]) -> Dataset:
    """The same as pipelines."""
    data = wide(config)
    train, validation = (
        tf.data.Dataset.from_tensor_slices((split.x, split.y)) for split in (data.train, data.validation)
    )
    return Dataset("wide", train.shuffle(16).batch(8), validation.batch(8))


def narrow(config: Mapping[str, Any]) -> keras.Model:
    """A model for rows of the config's width."""
    model = keras.Sequential([layers.Input((config["width"],)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(config["lr"]), "mse")
    return model


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    CALLS.clear()


def _job(data: Any = wide) -> TuneJob:
    return job_of(narrow, data=data, space={"width": 3, "lr": 0.1})


def _losses(factory: TrainerFactory, config: Mapping[str, Any]) -> list[float]:
    learner = factory.learner(dict(config), seed=1)
    losses = [learner.run_epoch().metrics["val_loss"] for _ in range(2)]
    learner.close()
    return losses


def test_trials_share_the_data_of_their_combination(tmp_path: Path) -> None:
    """A data function runs once for each value that it reads, and other trials with that value reuse its data."""
    loaded: list[tuple[ConfigReads, Dataset]] = []
    factory = TrainerFactory(_job(), None, loaded=lambda reads, data: loaded.append((reads, data)))
    alone = _losses(TrainerFactory(_job(), None), {"width": 3, "lr": 0.2})
    CALLS.clear()
    with in_trial(TrialContext("0000", 1, 2, tmp_path)):
        assert isinstance(factory.learner({"width": 3, "lr": 0.1}, seed=1), CompiledTrainer)
    for config in ({"width": 4, "lr": 0.1}, {"width": 4, "lr": 0.3}):
        _losses(factory, config)
    assert _losses(factory, {"width": 3, "lr": 0.2}) == alone
    assert [(3, str(Path.cwd())), (4, str(Path.cwd()))] == CALLS
    assert [dict(reads.values) for reads, _ in loaded] == [{"width": 3}, {"width": 4}]


def test_memory_bounds_what_is_kept() -> None:
    """If memory is short, the least recently used combination is released, and the newest is kept."""
    factory = TrainerFactory(_job(), None, memory=900.0)
    for width in (3, 4, 3, 4, 3):
        _losses(factory, {"width": width, "lr": 0.1})
    assert [width for width, _ in CALLS] == [3, 4]
    for width in (5, 3, 4):
        _losses(factory, {"width": width, "lr": 0.1})
    assert [width for width, _ in CALLS] == [3, 4, 5, 3, 4]


def test_pipelines_are_created_for_each_trial_and_resume() -> None:
    """Pipelines are created for each trial with its config, and a resumed trial continues exactly."""
    factory = TrainerFactory(_job(wide_pipelines), None)
    whole = factory.learner({"width": 4, "lr": 0.1}, seed=1)
    expected = [dict(whole.run_epoch().metrics) for _ in range(3)]
    first = factory.learner({"width": 4, "lr": 0.1}, seed=1)
    first.run_epoch()
    second = factory.learner({"width": 4, "lr": 0.1}, seed=1)
    second.load(first.save())
    assert [dict(second.run_epoch().metrics) for _ in range(2)] == expected[1:]
    assert {width for width, _ in CALLS} == {4}


def wide_and_scaled(config: Mapping[str, Any]) -> Dataset:
    """The same rows; sets what the model reads."""
    global SCALE
    SCALE = float(config["width"])
    return wide(config)


def scaled(config: Mapping[str, Any]) -> keras.Model:
    """A model that begins with what the data function has set."""
    first = keras.initializers.Constant(SCALE)
    model = keras.Sequential([layers.Input((config["width"],)), layers.Dense(1, kernel_initializer=first)])
    model.compile(keras.optimizers.SGD(config["lr"]), "mse")
    return model


def test_a_data_function_that_sets_up_models_runs_again_where_others_came_between() -> None:
    """A model sees what its data function set for its own config, even where its data are kept from before."""
    job = job_of(scaled, data=wide_and_scaled, space={"width": 3, "lr": 0.1})
    factory = TrainerFactory(job, None)
    for width in (3, 3, 4, 3):
        learner: Any = factory.learner({"width": width, "lr": 0.1}, seed=1)
        assert learner.model.get_weights()[0].max() == width
        learner.close()
    assert [width for width, _ in CALLS] == [3, 4, 3]
    model = ModelBuilder(job, lambda: None).build({"width": 4, "lr": 0.1}, seed=1)
    assert model.get_weights()[0].max() == 4.0
