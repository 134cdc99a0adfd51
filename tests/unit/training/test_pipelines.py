"""Trials on pipelines: equal to one call of Keras' fit, exact after a resume, and independent of other trials."""

import gc
import itertools
import weakref
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.datasets import Dataset
from pipeline.errors import DataError
from pipeline.space import Config
from pipeline.study import Fit, Objective, TuneJob
from pipeline.training.data import load_data
from pipeline.training.pipelines import example_of, with_generator_as_dataset
from pipeline.training.trainer_factory import TrainerFactory
from tests.cases import cases
from tests.training import SEED, epochs_of, equals_fit, fitted, job_of, resumes_exactly
from tests.unit.training.programs import PROGRAMS, Rows, dense, shuffled

LONG = pytest.mark.long


def job_on(name: str, **fields: Any) -> TuneJob:
    program = PROGRAMS[name]
    objectives = [Objective(program.objective, "min")]
    return job_of(program.model, **{"data": program.data, "objectives": objectives, **fields})


@pytest.mark.parametrize("name", cases(PROGRAMS, {"PyDataset with state"}))
def test_a_trial_equals_one_call_of_fit(name: str) -> None:
    job = job_on(name)
    model = TrainerFactory(job, None).learner({}, seed=SEED)
    assert model.trained_with.startswith("Keras' fit: the train split is a ")  # type: ignore[union-attr]
    reference, history = fitted(job, None, epochs=3)
    equals_fit(model, reference, history, 3)


@pytest.mark.parametrize("name", cases(PROGRAMS, {"GAN", "PyDataset with state"}))
def test_a_resumed_trial_continues_exactly(name: str) -> None:
    resumes_exactly(TrainerFactory(job_on(name), None), {})


@pytest.mark.parametrize("fit", [
    pytest.param(Fit(class_weight={1: 3.0}), id="class weights", marks=LONG),
    pytest.param(Fit(steps_per_epoch=4, validation_steps=2), id="part of a pass", marks=LONG),
])  # fmt: skip
def test_arguments_of_fit_have_its_effects(fit: Fit) -> None:
    job = job_of(dense, data=shuffled, fit=fit)
    arguments: dict[str, Any] = dict(fit.given)
    _, history = fitted(job, None, epochs=4, **arguments)
    found = resumes_exactly(TrainerFactory(job, None), {})
    assert [metrics["loss"] for metrics in found] == history["loss"]
    assert [metrics["val_loss"] for metrics in found if "val_loss" in metrics] == history["val_loss"]


@pytest.mark.parametrize("kind", cases(["tf.data", "generator"], ["generator"]))
def test_endless_pipelines_train_by_steps(kind: str) -> None:
    def batches() -> Iterator[Any]:
        for index in itertools.count():
            x = np.full((4, 6), index, "float32")
            yield x, x[:, 0]

    def data() -> Dataset:
        train = batches if kind == "generator" else shuffled().train.repeat()
        return Dataset("endless", train, shuffled().validation)

    learner: Any = TrainerFactory(job_of(dense, data=data, fit=Fit(steps_per_epoch=3)), None).learner({}, seed=SEED)
    losses = [metrics["loss"] for metrics in epochs_of(learner, 2)]
    assert np.isfinite(losses).all()
    assert int(learner.model.optimizer.iterations.numpy()) == 6
    # Epochs continue where the one before ended: the batches of the generator grow.
    assert losses[1] != losses[0]


def test_a_pipeline_begins_anew_after_an_epoch_of_exactly_its_batches() -> None:
    def data() -> Dataset:
        return Dataset("three", lambda: iter([(np.ones((4, 6), "float32"), np.ones(4))] * 3), shuffled().validation)

    learner: Any = TrainerFactory(job_of(dense, data=data, fit=Fit(steps_per_epoch=3)), None).learner({}, seed=SEED)
    epochs_of(learner, 2)
    assert int(learner.model.optimizer.iterations.numpy()) == 6


def test_the_data_of_a_trial_are_released_with_its_learner() -> None:
    class Kept(Rows):
        """Rows whose life a test follows."""

    def data() -> Dataset:
        rows = Kept(0, 24)
        made.append(weakref.ref(rows))
        return Dataset("rows", rows, Kept(1, 8))

    made: list[weakref.ref[Rows]] = []
    learner: Any = TrainerFactory(job_of(dense, data=data), None).learner({}, seed=SEED)
    learner.run_epoch()
    learner.close()
    del learner
    gc.collect()
    assert made
    assert [rows() for rows in made] == [None] * len(made)


class Noise(keras.layers.Layer):
    """Draws with tf.random, whose seed is that of the process."""

    def call(self, x: Any) -> Any:
        return x + tf.random.normal(tf.shape(x))


def noisy(config: Config) -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), Noise(), keras.layers.Dense(1, "sigmoid")])
    model.compile("sgd", "binary_crossentropy")
    return model


@LONG
def test_draws_with_tensorflow_do_not_depend_on_the_trials_before() -> None:
    job, found = job_of(noisy, data=shuffled), []
    for data, before in ((None, ()), (None, (7,)), (load_data(job), ())):
        factory = TrainerFactory(job, data)
        for seed in (*before, SEED):
            learner = factory.learner({}, seed=seed)
            metrics = epochs_of(learner, 2)
            learner.close()
        found.append(metrics)
    assert found[0] == found[1] == found[2]


# Forms of pipelines.


def test_a_generator_function_becomes_a_dataset_of_its_batches() -> None:
    def batches() -> Iterator[Any]:
        for rows in (4, 4, 3):
            yield [np.eye(rows, 4), np.ones(rows), None]

    assert [x.shape[0] for x, _ in with_generator_as_dataset(batches)] == [4, 4, 3]
    assert example_of(batches).numpy().tolist() == np.eye(4).tolist()
    with pytest.raises(DataError):
        example_of(with_generator_as_dataset(batches).take(0))
