"""Scalars that a model function sets and training leaves alone, where a trial takes over another one's weights."""

from collections.abc import Mapping
from typing import Any

import keras
import pytest
import tensorflow as tf
from keras import layers

from pipeline.study import Phase
from pipeline.training.state import ConstantScalars
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.model_kinds import rows_of_six
from tests.unit.training.reference_training import job_of

SEED = 2


class _Penalised(layers.Layer):
    """Adds a penalty with a weight of the config, counts its calls, and projects by numbers that are not trained."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = self.add_weight(shape=(), initializer=keras.initializers.Constant(weight), trainable=False)
        self.further = tf.Variable(weight / 2, trainable=False)
        self.calls = self.add_weight(shape=(), initializer=keras.initializers.Constant(weight), trainable=False)
        self.projection = self.add_weight(shape=(1, 6), initializer="random_normal", trainable=False)

    def call(self, x: Any, training: bool = False) -> Any:
        """Add the penalty."""
        self.add_loss((self.weight + self.further) * keras.ops.mean(x**2))
        if training:
            self.calls.assign_add(1.0)
        return x * self.projection


def _penalised(config: Mapping[str, Any]) -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), _Penalised(config["weight"]), layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize("memory", [None, 100.0], ids=["compiled", "fit"])
def test_an_exploit_keeps_the_constants_of_its_own_config(memory: float | None) -> None:
    """An exploit keeps scalars that its config sets and training leaves alone, and copies counts and projections."""
    factory = TrainerFactory(job_of(_penalised), rows_of_six(), memory=memory)
    donor: Any = factory.learner({"weight": 0.5}, seed=SEED)
    donor.run_epoch()
    copied, calls = donor.save(), float(donor.model.layers[0].calls)
    projection = donor.model.layers[0].projection.numpy()
    receiver: Any = factory.learner({"weight": 2.0}, seed=SEED + 1)

    receiver.load(copied, exploit=True)
    receiver.run_epoch()

    layer = receiver.model.layers[0]
    assert [float(layer.weight), float(layer.further)] == [2.0, 1.0]
    assert float(layer.calls) == calls + (calls - 0.5)
    assert (layer.projection.numpy() == projection).all()
    again: Any = factory.learner({"weight": 2.0}, seed=SEED + 1)
    again.load(receiver.save())
    assert again.run_epoch().metrics == receiver.run_epoch().metrics
    assert again.save().header == receiver.save().header


def _annealed(config: Mapping[str, Any]) -> keras.Model:
    model = _penalised({"weight": 0.5})
    model.layers[0].weight.assign(config["weight"])
    return model


def _anneal(config: Mapping[str, Any]) -> list[Any]:
    """A callback that changes the first weight of the penalty once, in the first epoch."""

    class Annealed(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if not epoch:
                self.model.layers[0].weight.assign(1.0)

    return [Annealed()]


def _recompiled(model: keras.Model, config: Mapping[str, Any]) -> None:
    model.layers[0].further.assign(config["weight"])
    model.compile("sgd", "sparse_categorical_crossentropy")


@pytest.mark.parametrize("memory", [None, 100.0], ids=["compiled", "fit"])
def test_a_value_that_an_earlier_phase_has_changed_is_copied(memory: float | None) -> None:
    """In a later phase, an exploit copies what training changed before it and keeps what the phase sets, as resumed."""
    job = job_of(_annealed, callbacks=_anneal, phases=[Phase(at=2, prepare=_recompiled)])
    factory = TrainerFactory(job, rows_of_six(), memory=memory)
    donor: Any = factory.learner({"weight": 0.25}, seed=SEED)
    for _ in range(3):
        donor.run_epoch()
    saved = donor.save()

    resumed: Any = factory.learner({"weight": 0.25}, seed=SEED)
    resumed.load(saved)
    assert resumed.save().header == saved.header

    receiver: Any = factory.learner({"weight": 2.0}, seed=SEED + 1)
    receiver.load(saved, exploit=True)
    layer = receiver.model.layers[0]
    assert [float(layer.weight), float(layer.further)] == [1.0, 2.0]


def test_first_values_are_those_before_training_or_of_a_phase() -> None:
    """Scalars are compared with the values before training, and with those that a phase has set."""
    variables = [keras.Variable(1.0), keras.Variable([1.0]), tf.Variable(1), tf.Variable(2.0)]
    scalars = ConstantScalars()
    assert not scalars.known
    scalars.remember(variables)
    assert scalars.known
    assert scalars.unchanged(variables) == [0, 3]
    variables[0].assign(3.0)
    scalars.remember(variables)
    assert scalars.unchanged(variables) == [3]
    for set_again, unchanged in ((False, [3]), (True, [0, 3])):
        scalars.end_phase(variables)
        if set_again:
            variables[0].assign(5.0)
        scalars.remember(variables)
        assert scalars.unchanged(variables) == unchanged
