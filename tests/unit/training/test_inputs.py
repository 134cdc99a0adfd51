"""A model that does not fit the data is reported, for any way of training."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.training.inputs import explain_shape_errors, mismatch
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.model_kinds import rows_of_six
from tests.unit.training.reference_training import job_of


def takes(*shapes: tuple[int | None, ...]) -> keras.Model:
    """A model with inputs of those shapes, named first, second and so on."""
    inputs = [keras.Input(shape, name=name) for shape, name in zip(shapes, ("first", "second"), strict=False)]
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], [keras.layers.Flatten()(one) for one in inputs])


@pytest.mark.parametrize(
    ("shape", "rows", "fits"),
    [
        ((6,), (6,), True), ((7,), (6,), False), ((None, 3), (5, 3), True), ((28, 28, 1), (28, 28), True),
        ((28, 28), (28, 28, 1), True), ((784,), (28, 28), False), ((28, 28, 3), (28, 28, 1), False),
    ],
)  # fmt: skip
def test_shapes_are_compared_as_keras_takes_them(
    shape: tuple[int | None, ...], rows: tuple[int, ...], fits: bool
) -> None:
    """An open dimension fits any size, and a last dimension of one is optional."""
    reported = mismatch(takes(shape), np.zeros((2, *rows), np.float32))
    assert (reported is None) == fits
    assert fits or (str(shape) in reported and f"keras.Input({rows})" in reported)


def test_of_several_inputs_the_one_that_does_not_fit_is_named() -> None:
    """The message about several inputs names the one that does not fit, by its name or position."""
    arrays = [np.zeros((2, 6)), np.zeros((2, 4))]
    assert "its input second takes rows of shape (5,)" in (mismatch(takes((6,), (5,)), arrays) or "")
    assert "its input first takes" in (mismatch(takes((3,), (4,)), {"first": arrays[0], "second": arrays[1]}) or "")
    assert mismatch(takes((6,), (4,)), arrays) is None


def test_an_error_that_is_not_of_the_shapes_stays_what_it_is() -> None:
    """An error without a mismatch of shapes is raised unchanged."""
    with explain_shape_errors(takes((7,)), np.zeros((2, 6))):
        pass
    with pytest.raises(KeyError), explain_shape_errors(takes((6,)), np.zeros((2, 6))):
        raise KeyError("mine")


@pytest.mark.parametrize("eagerly", [False, True])
def test_a_model_that_does_not_fit_is_reported(eagerly: bool) -> None:
    """A model that does not fit the data is reported with both shapes, compiled or under fit, for any layer."""

    def network(config: Mapping[str, Any]) -> keras.Model:
        model = keras.Sequential([keras.Input((7,)), keras.layers.Dense(3, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=eagerly)
        return model

    with pytest.raises(ModelError, match=r"takes rows of shape \(7,\), and the data have rows of shape \(6,\)"):
        TrainerFactory(job_of(network), rows_of_six()).learner({}, seed=0).run_epoch()
