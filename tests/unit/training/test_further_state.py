"""Variables that training changes in addition to the model's and its compiled optimiser's."""

from typing import Any

import keras
import pytest
import tensorflow as tf
from keras import layers

from pipeline.datasets import Dataset
from pipeline.study import Objective, Phase
from pipeline.training.further_state import build_optimizers, further_variables, skip_reductions
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.model_kinds import data_of
from tests.unit.training.own_train_steps import OWN_STEPS, images
from tests.unit.training.reference_training import job_of

EPOCHS, SEED = 2, 2

sequences = data_of(lambda draw, n: (draw.normal(size=(n, 3, 2)), draw.normal(size=(n, 1))))


class Counted(layers.Layer):
    """Counts its calls in a variable of TensorFlow, which Keras does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = tf.Variable(0.0)

    def call(self, x: Any) -> Any:
        """Scale by the number of calls."""
        return x * (1 + self.calls.assign_add(1.0) / 10)


def stateful(config: Any) -> keras.Model:
    """A recurrent layer that continues from batch to batch, and a layer that counts."""
    model = keras.Sequential(
        [keras.Input((3, 2), batch_size=4), Counted(), layers.GRU(3, stateful=True), layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.05), "mse")
    return model


def _batches() -> Dataset:
    data = sequences()
    train, validation = (
        tf.data.Dataset.from_tensor_slices((split.x.astype("float32"), split.y)).batch(4)
        for split in (data.train, data.validation)
    )
    return Dataset("sequences", train.shuffle(11), validation)


def test_variables_are_found_once() -> None:
    """The states of recurrent layers and variables of TensorFlow are found, each once; a plain model has none."""
    model = stateful({})
    found = further_variables(model)
    assert sorted(tuple(variable.shape) for variable in found) == [(), (4, 3)]
    plain = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    plain.compile("sgd")
    assert further_variables(plain) == []


def test_optimisers_create_their_variables_without_a_step() -> None:
    """A trace of train_step creates the variables of further optimisers, and changes no weight."""
    model = OWN_STEPS["GAN, two optimisers"]({})
    before = [weight.numpy() for weight in model.weights]
    count = len(further_variables(model))
    build_optimizers(model, lambda: (tf.TensorSpec((None, 8, 8, 1)), tf.TensorSpec((None, 1))))
    assert len(further_variables(model)) > count
    assert all((old == new.numpy()).all() for old, new in zip(before, model.weights, strict=True))


def test_rate_and_updates_are_those_of_an_optimizer_that_updates() -> None:
    """A GAN whose compiled optimiser is unused reports the learning rate and the updates of its first other one."""
    job = job_of(OWN_STEPS["GAN, two optimisers"], objectives=[Objective("g_loss", "min")])
    learner: Any = TrainerFactory(job, images()).learner({"lr": 0.25}, seed=SEED)
    epoch = learner.run_epoch()
    assert (epoch.learning_rate, epoch.updates) == (0.25, learner.steps)


def _resumed(factory: TrainerFactory) -> tuple[list[Any], list[Any]]:
    """The metrics after the first epoch: of an uninterrupted trial, and of one that was resumed there."""
    whole, first, second = (factory.learner({}, seed=SEED) for _ in range(3))
    expected = [dict(whole.run_epoch().metrics) for _ in range(EPOCHS)]
    first.run_epoch()
    second.load(first.save())
    return expected[1:], [dict(second.run_epoch().metrics) for _ in range(EPOCHS - 1)]


@pytest.mark.parametrize("way", ["compiled", pytest.param("fit", marks=pytest.mark.long), "pipeline"])
def test_states_of_layers_continue(way: str) -> None:
    """States of recurrent layers and variables of TensorFlow continue exactly in every way of training."""
    if way == "pipeline":
        factory = TrainerFactory(job_of(stateful, data=_batches), None)
    else:
        factory = TrainerFactory(job_of(stateful, batch_size=4), sequences(), memory=1.0 if way == "fit" else None)
    expected, found = _resumed(factory)
    assert found == expected


@pytest.mark.long
def test_further_optimisers_continue_through_fit() -> None:
    """The state of a second optimiser continues exactly where the data are too large for compiled epochs."""
    job = job_of(OWN_STEPS["GAN, two optimisers"], objectives=[Objective("g_loss", "min")])
    factory = TrainerFactory(job, images(), memory=1.0)
    expected, found = _resumed(factory)
    assert found == expected


@pytest.mark.timeout(60)
def test_a_list_that_contains_itself_is_read_once() -> None:
    """The search for variables ends where a layer's attributes refer to each other."""
    layer = layers.Dense(1)
    held: list[Any] = [tf.Variable(1.0)]
    held.append(held)
    vars(layer)["held"] = held
    model = keras.Sequential([keras.Input((2,)), layer])
    model.compile("sgd", "mse")
    assert [variable is held[0] for variable in further_variables(model)] == [True]


def test_sums_over_replicas_are_left_out_for_each_optimizer_of_one_device() -> None:
    """Every optimiser of a model on one device leaves out the sum over replicas; a strategy's model keeps it."""

    def left_out(model: Any) -> list[bool]:
        skip_reductions(model)
        return ["_all_reduce_sum_gradients" in vars(each) for each in (model.optimizer, model.second)]

    def model() -> Any:
        made = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
        made.second = keras.optimizers.Adam()
        made.compile("sgd", "mse")
        return made

    assert left_out(model()) == [True, True]
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        mirrored = model()
    assert left_out(mirrored) == [False, False]


class InTwoParts(keras.Model):
    """A model whose parts have optimisers of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = layers.Dense(3), layers.Dense(1)
        self.optimizers = {"first": keras.optimizers.Adam(0.01), "last": keras.optimizers.Adam(0.01)}

    def call(self, x: Any) -> Any:
        """One number for each sequence."""
        return self.last(self.first(keras.ops.reshape(x, (-1, 6))))

    def train_step(self, data: Any) -> Any:
        """Each optimiser takes a step with the weights of its part that train."""
        x, y = data
        with tf.GradientTape(persistent=True) as tape:
            loss = self.compute_loss(y=y, y_pred=self(x))
        for name, optimizer in self.optimizers.items():
            if weights := getattr(self, name).trainable_variables:
                optimizer.apply(tape.gradient(loss, weights), weights)
        return {"loss": loss}


def in_two_parts(config: Any) -> keras.Model:
    """The model, compiled."""
    model = InTwoParts()
    model.compile("sgd", "mse")
    return model


def freeze_first(model: Any, config: Any) -> None:
    """Train the last part alone."""
    model.first.trainable = False
    model.compile("sgd", "mse")


@pytest.mark.parametrize("way", ["compiled", "fit", "pipeline"])
def test_optimizers_of_parts_that_a_phase_freezes_are_restored(way: str) -> None:
    """A trial resumes in a phase in which an optimiser of an earlier phase has nothing to train."""
    job = job_of(in_two_parts, batch_size=4, phases=[Phase(at=1, prepare=freeze_first)])
    if way == "pipeline":
        factory = TrainerFactory(job.replaced({"data": _batches}), None)
    else:
        factory = TrainerFactory(job, sequences(), memory=1.0 if way == "fit" else None)
    whole: Any = factory.learner({}, seed=SEED)
    expected = [dict(whole.run_epoch().metrics) for _ in range(EPOCHS + 1)]
    first: Any = factory.learner({}, seed=SEED)
    for _ in range(EPOCHS):
        first.run_epoch()
    second: Any = factory.learner({}, seed=SEED)
    second.load(first.save())
    assert dict(second.run_epoch().metrics) == expected[-1]
