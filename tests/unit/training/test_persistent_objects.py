"""Objects of Keras that a job makes outside of its model function."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from pipeline.datasets import Dataset
from pipeline.errors import ModelError
from pipeline.study import TuneJob
from pipeline.training.arrays import example_of
from pipeline.training.build import ModelBuilder, build_model
from pipeline.training.global_state import kept_global_state
from pipeline.training.persistent_objects import PersistentObjects, refuse_shared_weights
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.model_kinds import rows_of_six
from tests.unit.training.reference_training import job_of

NOISE = keras.Sequential([layers.GaussianNoise(0.5), layers.Dropout(0.2)])
BODY = layers.Dense(5, activation="relu", kernel_initializer=keras.initializers.HeNormal())
DRAWS = keras.random.SeedGenerator(3)
OPTIMIZER = keras.optimizers.SGD(0.1)
WHOLE = keras.Sequential([keras.Input((6,)), layers.Dense(3, activation="softmax")])


class Noise(layers.Layer):
    """A layer that draws from a generator that is not its own."""

    def call(self, x: Any, training: bool = False) -> Any:
        """Add noise in training."""
        return x + keras.random.normal(keras.ops.shape(x), seed=DRAWS) if training else x


class Net(keras.Model):
    """A model whose layer is an attribute of its class."""

    body = layers.Dense(4)

    def __init__(self) -> None:
        super().__init__()
        self.head = layers.Dense(3, activation="softmax")

    def call(self, x: Any) -> Any:
        """The classes."""
        return self.head(self.body(x))


@cache
def kept_body() -> layers.Layer:
    """A layer that is made once, with a seed that is drawn then."""
    return layers.Dense(5)


BACKBONE: Any = None


def backbone() -> layers.Layer:
    """A layer that a global keeps."""
    global BACKBONE
    if BACKBONE is None:
        BACKBONE = layers.Dense(5)
    return BACKBONE


NEWEST: Any = None


def replaced() -> keras.Model:
    """A model that a global keeps until the next one."""
    global NEWEST
    NEWEST = compiled(layers.Dense(5))
    return NEWEST


def compiled(*parts: Any) -> keras.Model:
    """A model of these parts and a head."""
    model = keras.Sequential([keras.Input((6,)), *parts, layers.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy", jit_compile=False)
    return model


def subclassed() -> keras.Model:
    """A model whose class has a layer."""
    model = Net()
    model.compile(keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy", jit_compile=False)
    return model


def enclosed() -> Callable[[], keras.Model]:
    """A model function that encloses a layer."""
    body = layers.Dense(5)
    return lambda: compiled(body)


MODELS: Mapping[str, Callable[[], keras.Model]] = {
    "augmentation": lambda: compiled(NOISE),
    "body": lambda: compiled(BODY),
    "generator": lambda: compiled(Noise()),
    "cached": lambda: compiled(kept_body()),
    "global": lambda: compiled(backbone()),
    "replaced": replaced,
    "class": subclassed,
    "closure": enclosed(),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_trial_begins_as_the_first_one_whatever_was_trained_before(model: Callable[[], keras.Model]) -> None:
    """Weights and generators that trials share have their first values at the beginning of each trial."""
    factory = TrainerFactory(job_of(model), rows_of_six())
    first, second = (_losses(factory) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("adapts", [True, False])
def test_a_data_function_that_adapts_layers_of_models_is_called_where_models_train(adapts: bool) -> None:
    """A process that gets arrays calls the data function once if it and the model function use such a layer."""
    calls: list[int] = []
    norm = layers.Normalization()

    def adapting() -> Dataset:
        calls.append(1)
        data = rows_of_six()
        norm.adapt(data.train.x)
        return data

    def plain() -> Dataset:
        calls.append(1)
        return rows_of_six()

    job = job_of(lambda: compiled(norm), data=adapting if adapts else plain)
    for _ in range(2):
        TrainerFactory(job, rows_of_six())
    assert calls == ([1] if adapts else [])


def test_a_model_is_rebuilt_with_adapted_layers() -> None:
    """The data function adapts them where a model is built for the weights of a checkpoint, too."""
    norm = layers.Normalization()

    def adapting() -> Dataset:
        data = rows_of_six()
        norm.adapt(data.train.x + 5)
        return data

    job = job_of(lambda: compiled(norm), data=adapting)
    ModelBuilder(job, lambda: example_of(rows_of_six().train)).build({}, seed=1)
    assert np.allclose(norm.mean, (rows_of_six().train.x + 5).mean(axis=0), atol=1e-4)


def test_names_of_new_layers_differ_from_those_that_exist() -> None:
    """A layer of the model function gets another name than an unnamed one that is made outside of it."""
    outside = layers.Dense(6)

    def functional() -> keras.Model:
        inputs = keras.Input((6,))
        model = keras.Model(inputs, layers.Dense(3)(outside(inputs)))
        model.compile("sgd", loss="mse")
        return model

    names = [[layer.name for layer in _built(job_of(functional)).layers] for _ in range(2)]
    assert names[0] == names[1]
    assert len(set(names[0])) == 3


BASE = keras.Sequential([keras.Input((6,)), layers.Dense(5, name="first"), layers.Dense(4)], name="base")
BASE.trainable = False
BASE.layers[1].trainable = True


def test_a_trial_freezes_the_layers_that_the_first_one_froze() -> None:
    """Layers of all trials that a trial has unfrozen or frozen, as a phase does, train as before in the next one."""
    job = job_of(lambda: compiled(BASE))
    names = [weight.path for weight in _built(job).trainable_weights if not weight.path.startswith("dense")]
    BASE.trainable = True
    BASE.layers[1].trainable = False
    model = _built(job)
    assert [layer.trainable for layer in (BASE, *BASE.layers)] == [False, False, True]
    assert [weight.path for weight in model.trainable_weights if not weight.path.startswith("dense")] == names


def test_values_that_the_user_sets_between_two_studies_stay() -> None:
    """The next study of a process takes a layer as it is."""
    outside = layers.Dense(6)
    job = job_of(lambda: compiled(outside))
    with kept_global_state():
        _built(job)
    outside.kernel.assign(np.ones((6, 6)))
    with kept_global_state():
        _built(job)
        assert (outside.kernel.numpy() == 1).all()


def test_objects_that_no_function_uses_stay_as_they_are() -> None:
    """A layer that the model function does not use keeps its weights."""
    other = layers.Dense(2)
    other.build((None, 2))
    job = job_of(lambda: compiled())
    _built(job)
    other.kernel.assign(np.ones((2, 2)))
    _built(job)
    assert (other.kernel.numpy() == 1).all()


def with_one_optimizer() -> keras.Model:
    """A model with an optimiser of all trials."""
    model = compiled()
    model.compile(OPTIMIZER, loss="mse")
    return model


def the_same_model() -> keras.Model:
    """The model of all trials."""
    WHOLE.compile("sgd", loss="mse")
    return WHOLE


@pytest.mark.parametrize(
    ("model", "message"),
    [(with_one_optimizer, "an optimiser of Keras serves one model"), (the_same_model, "would train the same one")],
)
def test_a_model_or_an_optimiser_of_all_trials_is_refused(model: Callable[[], keras.Model], message: str) -> None:
    """The message says what is made outside of the model function, at the first trial."""
    with pytest.raises(ModelError, match=message):
        _built(job_of(model))


def test_folds_that_would_train_the_same_weights_are_refused() -> None:
    """The message names a weight that two models of a trial have in common."""
    body = layers.Dense(5, name="body")
    factory = TrainerFactory(job_of(lambda: compiled(body), folds=2), rows_of_six())
    with pytest.raises(ModelError, match=r"share the weight .*body/kernel: its layer is made outside"):
        factory.learner({}, seed=1)


def test_models_with_frozen_layers_in_common_are_allowed() -> None:
    """Weights that do not train may be shared."""
    body = layers.Dense(5, trainable=False)
    refuse_shared_weights([compiled(body), compiled(body)])


def _built(job: TuneJob) -> keras.Model:
    return build_model(job, {}, seed=1, example=lambda: example_of(rows_of_six().train))


def _losses(factory: TrainerFactory) -> list[float]:
    learner = factory.learner({}, seed=1)
    losses = [learner.run_epoch().metrics["loss"] for _ in range(2)]
    learner.close()
    return losses


WEIGHT = tf.Variable(0.0, trainable=False)


class Raises(keras.callbacks.Callback):
    """Raises a variable of the file at each epoch, and reports it."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Raise it."""
        WEIGHT.assign_add(0.5)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Report it."""
        logs["weight"] = float(WEIGHT.numpy())


def penalised() -> keras.Model:
    """A model whose loss reads the variable."""

    def loss(y: Any, p: Any) -> Any:
        return keras.losses.sparse_categorical_crossentropy(y, p) + WEIGHT * keras.ops.mean(p**2, -1)

    model = compiled()
    model.compile(keras.optimizers.SGD(0.1), loss, jit_compile=False)
    return model


def in_pipelines() -> Dataset:
    """The rows as pipelines."""
    rows = rows_of_six()
    splits = (rows.train, rows.validation)
    train, validation = (tf.data.Dataset.from_tensor_slices(tuple(split)).batch(8) for split in splits)
    return Dataset("rows", train=train, validation=validation)


@pytest.mark.parametrize("data", [rows_of_six, in_pipelines])
@pytest.mark.parametrize("memory", [None, 100.0])
def test_a_variable_that_callbacks_change_continues_with_its_trial(data: Any, memory: float | None) -> None:
    """A trial that continues after another has the values that its callback gave a variable of the file."""
    job = job_of(penalised, data=data, callbacks=lambda: [Raises()])
    factory = TrainerFactory(job, None if data is in_pipelines else rows_of_six(), memory=memory)
    first = factory.learner({}, seed=1)
    weights = [first.run_epoch().metrics["weight"] for _ in range(2)]
    saved = first.save()
    first.close()
    other = factory.learner({}, seed=1)
    assert other.run_epoch().metrics["weight"] == 0.5
    other.close()
    again = factory.learner({}, seed=1)
    again.load(saved)
    assert [*weights, again.run_epoch().metrics["weight"]] == [0.5, 1.0, 1.5]
    again.close()


def _using(*variables: Any) -> Callable[[], Any]:
    """A function that uses variables."""
    return lambda: variables


def test_changed_variables_of_tensorflow_are_saved_beside_known_ones() -> None:
    """Each changed variable is saved, except those that are known, themselves or as a variable of Keras."""
    variables = [tf.Variable(0.0, name=f"weight{letter}") for letter in "abcd"]
    wrapped, known = keras.Variable(0.0, name="wrapped"), tf.Variable(0.0, name="known")
    found = PersistentObjects([_using(*variables, known, wrapped, wrapped.value)])
    found.begin()
    for variable in (*variables, known, wrapped):
        variable.assign(1.0)
    assert len(found.changed([known, wrapped])) == len(variables)
    assert len(found.changed([known, wrapped.value])) == len(variables)


def test_values_are_found_by_names_that_another_process_numbers_otherwise() -> None:
    """The number in an automatic name, which depends on what a process made before, makes no difference."""
    made = [[keras.Variable(0.0), keras.Variable(0.0)] for _ in range(2)]
    here, there = (PersistentObjects([_using(*variables)]) for variables in made)
    here.begin()
    made[0][1].assign(1.0)
    assert there.restore(here.changed([])) == []
    assert [float(variable.value) for variable in made[1]] == [0.0, 1.0]


def test_names_of_earlier_versions_are_found() -> None:
    """A checkpoint of an earlier version has values of layers such as conv2d by names without or with all numbers."""
    parts = [layers.Conv1D(2, 3), layers.Conv1D(2, 3), layers.Conv2D(2, 3)]
    for part, shape in zip(parts, [(None, 8, 1), (None, 8, 1), (None, 8, 8, 1)], strict=True):
        part.build(shape)
    kernels = [part.kernel for part in parts]
    names = ["conv#d/kernel [3, 1, 2] float32 1", "conv#d/kernel [3, 1, 2] float32 2"]
    names.append("conv#d/kernel [3, 3, 1, 2] float32 1")
    for saved in (names, [f"{kernel.path} {list(kernel.shape)} float32 1" for kernel in kernels]):
        found = PersistentObjects([_using(*parts)])
        found.begin()
        values = [np.full(kernel.shape, float(place)) for place, kernel in enumerate(kernels, 1)]
        assert found.restore(dict(zip(saved, values, strict=True))) == []
        assert [float(np.mean(kernel)) for kernel in kernels] == [1.0, 2.0, 3.0]
        assert list(found.changed([])) == [
            "conv1d/kernel [3, 1, 2] float32 1",
            "conv1d/kernel [3, 1, 2] float32 2",
            "conv2d/kernel [3, 3, 1, 2] float32 1",
        ]


def test_a_value_by_an_earlier_name_does_not_replace_one_that_was_found() -> None:
    """A value whose earlier name is now that of a variable with its own saved value is reported as not found."""
    keras.backend.clear_session()
    first, second = parts = [layers.Dense(2, name=name) for name in ("dense_1", "dense_2")]
    for part in parts:
        part.build((None, 1))
    found = PersistentObjects([_using(first, second)])
    found.begin()
    saved = {
        f"{name}/kernel [1, 2] float32 1": np.full((1, 2), value) for name, value in (("dense", 1), ("dense_1", 2))
    }
    assert found.restore(saved) == ["dense_1/kernel [1, 2] float32 1"]
    assert float(np.mean(first.kernel)) == 1.0


def test_a_saved_value_without_a_variable_is_reported_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A trial that continues where a changed variable does not exist reports it, once for all trials."""
    extra = tf.Variable(0.0, name="pace", trainable=False)

    class Raising(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            extra.assign_add(1.0)

    learner = TrainerFactory(job_of(lambda: compiled(), callbacks=lambda: [Raising()]), rows_of_six()).learner(
        {}, seed=1
    )
    learner.run_epoch()
    saved = learner.save()
    learner.close()
    factory = TrainerFactory(job_of(lambda: compiled(), callbacks=lambda: []), rows_of_six())
    capsys.readouterr()
    for _ in range(2):
        without = factory.learner({}, seed=1)
        without.load(saved)
        without.close()
    found = "A checkpoint has values of variables outside of the model that are not found: pace. They begin"
    assert capsys.readouterr().out.count(found) == 1
