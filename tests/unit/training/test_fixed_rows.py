"""Models whose batches have a fixed number of rows."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from pipeline.training.build import fixed_rows, is_stateful, reset_states
from pipeline.training.export import export_winner
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.model_kinds import rows_of_six
from tests.unit.training.reference_training import job_of


class Recurrent(keras.Model):
    """A subclassed model with a stateful layer, which learns its shapes from its first batch."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = layers.LSTM(4, stateful=True)
        self.last = layers.Dense(3, activation="softmax")

    def call(self, x: Any) -> Any:
        """Two numbers at a time."""
        return self.last(self.recurrent(keras.ops.reshape(x, (-1, 3, 2))))


def subclassed(config: Any) -> keras.Model:
    """The model, compiled and not built."""
    model = Recurrent()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def functional(config: Any) -> keras.Model:
    """A model that declares the rows of a batch."""
    x = keras.Input((6,), batch_size=4)
    hidden = layers.LSTM(4, stateful=True)(layers.Reshape((3, 2))(x))
    model = keras.Model(x, layers.Dense(3, activation="softmax")(hidden))
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_the_rows_of_a_batch_are_known() -> None:
    """The rows of a batch come from the inputs or from the states of a layer, and other models have none."""
    built = Recurrent()
    assert is_stateful(built)
    assert fixed_rows(built) is None
    built(np.zeros((5, 6), np.float32))
    assert (fixed_rows(built), fixed_rows(functional({}))) == (5, 4)
    plain = keras.Sequential([keras.Input((6,)), layers.Dense(3)])
    assert (is_stateful(plain), fixed_rows(plain)) == (False, None)


def test_states_begin_again() -> None:
    """States that were moved by a call are zeros again."""
    model = functional({})
    first = model(np.ones((4, 6), np.float32)).numpy()
    assert not np.array_equal(model(np.ones((4, 6), np.float32)), first)
    reset_states(model)
    np.testing.assert_array_equal(model(np.ones((4, 6), np.float32)), first)


@pytest.mark.parametrize("build", [subclassed, functional])
def test_stateful_models_train_and_are_exported(build: Any, tmp_path: Path) -> None:
    """A model with a stateful layer is built for the batches that it gets, trains, is exported and tested on them."""
    factory = TrainerFactory(job_of(build, batch_size=4), rows_of_six())
    learner: Any = factory.learner({}, seed=1)
    result = learner.run_epoch()
    scores = export_winner(factory, {}, learner.save(), seed=1, folder=tmp_path)
    assert np.isfinite(result.metrics["val_loss"])
    assert np.isfinite(scores["test_loss"])
