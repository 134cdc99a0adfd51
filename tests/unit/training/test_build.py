"""The results of a user's functions, and the values on which they depend."""

import os
import random
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from pipeline.datasets import Dataset
from pipeline.errors import DataError, ModelError
from pipeline.study import Objective
from pipeline.training.arrays import example_of
from pipeline.training.build import build_callbacks, build_model
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.model_kinds import KINDS, dense, rows_of_six
from tests.unit.training.reference_training import job_of, weights_of

EXAMPLE = example_of(rows_of_six().train)


def not_compiled(config: Mapping[str, Any]) -> keras.Model:
    """A model without an optimiser."""
    return keras.Sequential([layers.Dense(3)])


def nothing(config: Mapping[str, Any]) -> None:
    """A function without a return."""


def a_class(config: Mapping[str, Any]) -> type[keras.Model]:
    """A function that returns the class instead of a model."""
    return keras.Sequential


def misplaced_metrics(config: Mapping[str, Any]) -> keras.Model:
    """A function that gives its metrics to compile as the third argument."""
    model = dense(config)
    model.compile("adam", "mse", ["accuracy"])
    return model


def with_callbacks(config: Mapping[str, Any]) -> tuple[keras.Model, list[Any]]:
    """A function that returns callbacks together with its model."""
    return dense(config), []


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (nothing, r"nothing\(config\) returned None; it must return a compiled keras.Model. Is a return missing"),
        (a_class, r"a_class\(config\) returned an object of type type; it must return a compiled"),
        (
            with_callbacks,
            r"with_callbacks\(config\) returned an object of type tuple; .* Callbacks and data have separate functions",
        ),
        (misplaced_metrics, r"third argument of compile\(\) .* found 'accuracy'. Give the metrics by name"),
        (not_compiled, r"not_compiled\(config\) returned a model that is not compiled; call model.compile"),
    ],
)
def test_results_other_than_a_compiled_model_are_refused(build: Any, message: str) -> None:
    """A result other than a compiled model is refused with the function, the result and a remedy."""
    with pytest.raises(ModelError, match=message):
        build_model(job_of(build), {}, seed=0, example=lambda: EXAMPLE)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "returned None; it must return a list of Keras callbacks"),
        (keras.callbacks.History(), "returned an object of type History; it must return a list"),
        ([print], "a list with an object of type builtin_function_or_method; every item must be"),
    ],
)
def test_results_other_than_callbacks_are_refused(found: Any, message: str) -> None:
    """A result other than callbacks is refused with what was returned and what is allowed."""
    with pytest.raises(ModelError, match=message):
        build_callbacks(job_of(dense, callbacks=lambda _: found), {}, seed=0)


class Unbuilt(keras.Model):
    """A model without call(), whose train_step builds one of its parts, and with `whole` the other one, too."""

    def __init__(self, whole: bool) -> None:
        super().__init__()
        self.whole = whole
        self.one = keras.Sequential([keras.layers.Dense(3)], name="one")
        self.two = keras.Sequential([keras.layers.Dense(1)], name="two")

    def train_step(self, data: Any) -> dict[str, Any]:
        """A step on the first part, and the second one if that is used."""
        x, y = data
        with tf.GradientTape() as tape:
            out = self.one(x)
            out = self.two(out) if self.whole else out
            loss = tf.reduce_mean(tf.square(out - tf.cast(y[:, None], tf.float32)))
        weights = self.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return {"loss": loss}


def _unbuilt(*, whole: bool) -> Any:
    def build(config: Mapping[str, Any]) -> keras.Model:
        model = Unbuilt(whole)
        model.compile(keras.optimizers.Adam(0.1))
        return model

    return build


def test_parts_are_built_by_a_train_step_of_the_models_own() -> None:
    """Parts without an input shape are built by the model's own train_step, and resume exactly."""
    data = rows_of_six()
    data = Dataset("rows", data.train)
    job = job_of(_unbuilt(whole=True), objectives=[Objective("loss", "min")])
    whole, first, second = (TrainerFactory(job, data).learner({}, seed=3) for _ in range(3))
    expected = [dict(whole.run_epoch().metrics) for _ in range(3)]
    first.run_epoch()
    second.load(first.save())
    assert [dict(second.run_epoch().metrics) for _ in range(2)] == expected[1:]


def test_parts_that_nothing_builds_are_named() -> None:
    """Parts that neither a call nor the train_step builds are named, with what to do."""
    job = job_of(_unbuilt(whole=False), objectives=[Objective("loss", "min")])
    with pytest.raises(ModelError, match=r"without call\(\), and its parts two, dense_1 are not built\. Begin each"):
        TrainerFactory(job, rows_of_six()).learner({}, seed=0)


def test_error_of_the_users_code_is_its_own() -> None:
    """An error that build_model raises is not wrapped."""

    def build(config: Mapping[str, Any]) -> keras.Model:
        return config["no such parameter"]  # type: ignore[no-any-return]

    with pytest.raises(KeyError, match="no such parameter"):
        TrainerFactory(job_of(build), rows_of_six()).learner({}, seed=0)


def test_weights_depend_only_on_the_seed() -> None:
    """Weights depend only on the seed, not on earlier models, draws or global settings of other trials."""
    build = KINDS["augmentation, convolution, BatchNormalization, Dropout"].build
    job, example = (
        job_of(build),
        example_of(KINDS["augmentation, convolution, BatchNormalization, Dropout"].data().train),
    )
    first = build_model(job, {}, seed=1, example=lambda: example)

    random.seed(99)
    np.random.seed(99)
    keras.utils.set_random_seed(99)
    dense({})
    keras.config.set_dtype_policy("mixed_float16")
    second = build_model(job, {}, seed=1, example=lambda: example)
    third = build_model(job, {}, seed=2, example=lambda: example)

    assert all(np.array_equal(a, b) for a, b in zip(weights_of(first), weights_of(second), strict=True))
    assert [v.path for v in first.variables] == [v.path for v in second.variables]
    assert second.dtype_policy.name == "float32"
    assert not all(np.array_equal(a, b) for a, b in zip(weights_of(first), weights_of(third), strict=True))


def test_config_is_a_copy() -> None:
    """A model function that changes its config does not change the trial's."""

    def build(config: dict[str, Any]) -> keras.Model:
        config["lr"] = 5
        return dense(config)

    config = {"lr": 1}
    build_model(job_of(build), config, seed=0, example=lambda: EXAMPLE)
    assert config == {"lr": 1}


@pytest.mark.parametrize("fails", [False, True])
def test_a_backend_that_the_model_function_chooses_is_refused(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model function that chooses another backend, which Keras does not use once imported, is refused."""
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")

    def build(config: Mapping[str, Any]) -> keras.Model:
        os.environ["KERAS_BACKEND"] = "jax"
        if fails:
            raise ModuleNotFoundError("No module named 'jax'", name="jax")
        return dense(config)

    with pytest.raises(ModelError, match=r"must use the backend tensorflow.* Found: jax\."):
        build_model(job_of(build), {}, seed=0, example=lambda: EXAMPLE)


def test_functions_without_parameters_are_called_without_the_config() -> None:
    """A model and callbacks that depend on no parameter need no argument."""

    def model() -> keras.Model:
        return dense({})

    def stopping() -> list[keras.callbacks.Callback]:
        return [keras.callbacks.TerminateOnNaN()]

    job = job_of(model, callbacks=stopping)
    assert build_model(job, {"lr": 0.1}, seed=0, example=lambda: EXAMPLE).built
    assert len(build_callbacks(job, {"lr": 0.1}, seed=0)) == 1


def test_draws_of_the_users_code_depend_on_seed_and_epoch() -> None:
    """Python's and NumPy's generators restart in each epoch, so that a resumed trial draws the same numbers."""
    drawn: list[tuple[float, float]] = []

    def callbacks(config: Mapping[str, Any]) -> list[Any]:
        return [
            keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: drawn.append((random.random(), np.random.rand())))
        ]

    job = job_of(dense, callbacks=callbacks)
    first = TrainerFactory(job, rows_of_six()).learner({}, seed=1)
    first.run_epoch()
    state = first.save()
    first.run_epoch()
    second = TrainerFactory(job, rows_of_six()).learner({}, seed=1)
    second.load(state)
    second.run_epoch()
    assert drawn[1] == drawn[2] != drawn[0]


def test_model_needs_data() -> None:
    """A job with a model and no data is refused."""
    with pytest.raises(DataError, match="has a model, and there are no data"):
        TrainerFactory(job_of(dense), None)


def test_loss_that_is_not_finite_ends_the_epoch_and_the_training() -> None:
    """A loss that is not finite ends the epoch at that step, and the training with it."""

    def build(config: Mapping[str, Any]) -> keras.Model:
        model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
        model.compile(keras.optimizers.SGD(1e30), "mse", metrics=["mae"])
        return model

    learner: Any = TrainerFactory(job_of(build), rows_of_six()).learner({}, seed=1)
    result = learner.run_epoch()
    assert not np.isfinite(result.metrics["loss"])
    assert "val_loss" in result.metrics
    assert result.last
    assert 0 < int(learner.model.optimizer.iterations) < learner.steps


class Graph(keras.Model):
    """A model that holds its nodes, and is called with them: its inputs are numbers of nodes."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes, self.edges = tf.ones((44, 5)), tf.range(44)
        self.part = layers.Dense(3)

    def call(self, inputs: Any) -> Any:
        """The classes of all nodes."""
        nodes, edges = inputs
        return tf.gather(self.part(nodes), edges)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Train on the nodes of a batch."""
        numbers, targets = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=targets, y_pred=tf.gather(self((self.nodes, self.edges)), numbers))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"graph_loss": loss}


def test_a_model_that_is_called_in_its_own_step_alone_is_built_by_that_step() -> None:
    """Its weights are those of its seed, even where its call cannot take the inputs of the data."""

    def graph() -> keras.Model:
        model = Graph()
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    numbers = np.arange(44)
    data = Dataset(train=(numbers, numbers % 3))
    factory = TrainerFactory(job_of(graph, objectives=[Objective("graph_loss", "min")]), data)
    first, second = (factory.learner({}, seed=1).run_epoch().metrics["graph_loss"] for _ in range(2))
    assert first == second
    other = factory.learner({}, seed=2).run_epoch().metrics["graph_loss"]
    assert np.isfinite(other)
    assert other != first
