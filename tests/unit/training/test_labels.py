"""Targets compared with a model's output."""

import keras
import numpy as np
import pytest

from pipeline.datasets import Dataset, Split
from pipeline.training.labels import mismatch


def model(units: int, loss: object) -> keras.Model:
    """A model of one layer."""
    made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units)])
    made.compile(loss=loss)
    return made


def data(targets: object) -> Dataset:
    """The same targets for training and validation."""
    y = np.asarray(targets)
    split = Split(np.ones((len(y), 2), np.float32), y)
    return Dataset("d", split, split)


@pytest.mark.parametrize(
    ("units", "loss", "targets"),
    [
        (3, "categorical_crossentropy", np.eye(3)),
        (3, "sparse_categorical_crossentropy", [0, 1, 2]),
        (3, keras.losses.SparseCategoricalCrossentropy(), [[0], [1], [2]]),
        (1, "mse", [0.5, 7.0]),
        (1, "binary_crossentropy", [[0], [1]]),
        (2, "mse", [[0.5, 7.0]]),
        (3, keras.losses.SparseCategoricalCrossentropy(ignore_class=-1), [0, -1, 2]),
        (3, keras.losses.SparseCategoricalCrossentropy(ignore_class=255), [[255], [255]]),
        (4, keras.losses.Circle(), [0, 1, 5]),
        (3, keras.losses.CategoricalGeneralizedCrossEntropy(), [0, 1, 2]),
        (3, "ctc", [[1], [2]]),
    ],
)
def test_targets_that_fit(units, loss, targets) -> None:
    """One-hot rows, class numbers and one number for each row, with or without its own axis, are accepted."""
    assert mismatch(model(units, loss), data(targets)) is None


def test_an_output_may_have_a_last_dimension_of_one_more() -> None:
    """An output of shape (1, 1) fits targets of shape (1,), as Keras takes them."""
    made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1), keras.layers.Reshape((1, 1))])
    made.compile(loss="mse")
    assert mismatch(made, data([[0.5], [1.5]])) is None


def test_a_model_with_batches_of_a_fixed_size_is_compared() -> None:
    """A model whose batches have a fixed number of rows is called with as many."""
    layer = keras.layers.LSTM(3, stateful=True)
    made = keras.Sequential([keras.Input((2,), batch_size=2), keras.layers.Reshape((2, 1)), layer])
    made.compile(loss="sparse_categorical_crossentropy")
    assert mismatch(made, data([0, 1, 2, 2])) is None


@pytest.mark.parametrize(
    ("units", "loss", "targets", "reported"),
    [
        (4, "categorical_crossentropy", np.eye(3), r"gives \(4,\) for a row, and the targets have \(3,\)"),
        (1, "mse", np.ones((2, 5)), r"gives \(1,\)"),
        (3, "sparse_categorical_crossentropy", [1, 2, 3], "3 classes, and the targets range from 1 to 3"),
        (3, keras.losses.SparseCategoricalCrossentropy(), [0, -1], "from -1 to 0"),
        (3, "sparse_categorical_crossentropy", np.eye(3), "one class number for each output"),
        (1, "binary_crossentropy", [-1.0, 1.0], "from 0 to 1, and they go from -1 to 1"),
    ],
)
def test_targets_that_do_not_fit_are_refused(units, loss, targets, reported) -> None:
    """Targets that do not fit are refused, even if Keras would broadcast or accept them."""
    import re

    why, _ = mismatch(model(units, loss), data(targets)) or ("", "")
    assert re.search(reported, why)


@pytest.mark.parametrize(
    ("loss", "targets", "remedy"),
    [
        ("categorical_crossentropy", [0, 1, 2], "Integer labels need loss='sparse_categorical_crossentropy'"),
        ("categorical_crossentropy", [[0], [1], [2]], "Integer labels need loss='sparse_categorical_crossentropy'"),
        ("categorical_crossentropy", [0.5, 0.2, 0.1], "Change the last layer, the loss or the targets."),
        ("sparse_categorical_crossentropy", np.eye(3), "One-hot rows need loss='categorical_crossentropy'"),
        ("sparse_categorical_crossentropy", np.ones((2, 3)), "Change the last layer, the loss or the targets."),
    ],
)
def test_labels_of_the_other_crossentropy_have_a_remedy(loss, targets, remedy) -> None:
    """Integer labels and one-hot rows are distinguished, and the remedy names the loss that takes them."""
    _, advice = mismatch(model(3, loss), data(targets)) or ("", "")
    assert advice.startswith(remedy)


def test_a_loss_of_the_users_own_takes_what_it_takes() -> None:
    """Targets of any form are accepted for a loss of the user's own."""
    assert mismatch(model(4, lambda y, found: found[:, :3] - y), data(np.eye(3))) is None
