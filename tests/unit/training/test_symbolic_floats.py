"""Floats that are read from variables."""

import copy
import operator
import pickle
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings, strategies as st
from keras import layers, optimizers, regularizers

from pipeline.training.symbolic_floats import SymbolicFloat, float_attributes, masked

_ARITHMETIC = (operator.add, operator.sub, operator.mul, operator.truediv)
_numbers = st.floats(0.01, 100)


class Held:
    """A number that is read from a variable, and whether it has escaped from the graph."""

    def __init__(self, value: float, *, known: bool = True) -> None:
        self.escaped = False
        self.variable = tf.Variable(value, dtype=tf.float64)
        self.number = SymbolicFloat(value, self.variable.read_value, self.escape, known=known)

    def escape(self) -> None:
        """Record it."""
        self.escaped = True


@settings(max_examples=25)
@given(value=_numbers, later=_numbers, other=_numbers, operation=st.sampled_from(_ARITHMETIC), swapped=st.booleans())
def test_arithmetic_follows_the_variable(
    value: float, later: float, other: float, operation: Callable[[Any, Any], Any], swapped: bool
) -> None:
    """Arithmetic gives the float of Python, and a tensor that follows the variable when it is read."""
    held = Held(value)
    found = operation(other, held.number) if swapped else operation(held.number, other)
    assert copy.deepcopy(found) == (operation(other, value) if swapped else operation(value, other))
    held.variable.assign(later)
    tensor = tf.convert_to_tensor(found, tf.float64)
    assert float(tensor) == (operation(other, later) if swapped else operation(later, other))
    assert not held.escaped


def test_two_numbers_follow_two_variables() -> None:
    """A product of two variables follows the changes of both."""
    first, second = Held(2.0), Held(3.0)
    product = first.number * second.number
    first.variable.assign(5.0)
    second.variable.assign(7.0)
    assert float(tf.convert_to_tensor(product, tf.float32)) == 35.0


@pytest.mark.parametrize(
    ("use", "escapes"),
    [
        (lambda x: x > 0, False),
        (lambda x: x == 1, False),
        (bool, False),
        (lambda x: x > 0.5, True),
        (lambda x: x <= 2, True),
        (int, True),
        (round, True),
        (abs, True),
        (lambda x: -x, True),
        (lambda x: x**2, True),
        (lambda x: x // 1, True),
        (lambda x: (x * 2) > 0, True),
    ],
)
def test_conversions_that_a_graph_cannot_follow_are_recorded(use: Callable[[Any], Any], escapes: bool) -> None:
    """A comparison with 0 or 1 becomes part of the trace's key, and other uses as a plain number are recorded."""
    held = Held(0.7)
    assert use(held.number) == use(0.7)
    assert held.escaped == escapes


def test_it_is_a_plain_float_elsewhere() -> None:
    """A symbolic float has no variable once copied or pickled, and hashes and prints as a float."""
    number = Held(0.7).number
    assert type(copy.deepcopy(number)) is type(pickle.loads(pickle.dumps(number))) is float
    assert hash(number) == hash(0.7)
    assert f"{number}" == "0.7"


def _model() -> keras.Model:
    regularizer = regularizers.L2(0.1)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(4, kernel_regularizer=regularizer, bias_regularizer=regularizer),
            layers.Dropout(0.25),
            layers.Dense(3),
        ]
    )
    model.compile(optimizers.SGD(0.1, momentum=0.9), "mse")
    return model


def test_every_number_of_a_model_has_a_place() -> None:
    """Every number of layers, regularisers and the optimizer has a place, and a shared one has one place."""
    places = float_attributes(_model())
    assert len({place.path for place in places}) == len(places)
    assert {(type(place.owner).__name__, place.attribute): place.value for place in places} == {
        ("L2", "l2"): 0.1,
        ("Dropout", "rate"): 0.25,
        ("SGD", "momentum"): 0.9,
        ("SGD", "ema_momentum"): 0.99,
    }


def test_one_trace_serves_other_numbers() -> None:
    """A function traced with a symbolic float gives the result of each later value."""
    place = next(place for place in float_attributes(_model()) if place.attribute == "momentum")
    place.free()
    traced = tf.function(lambda: tf.convert_to_tensor(place.owner.momentum * 2, tf.float64))
    assert float(traced()) == 1.8
    place.assign(0.5)
    assert (float(traced()), place.value) == (1.0, 0.5)
    assert traced.experimental_get_tracing_count() == 1
    assert not place.escaped
    assert place.owner.momentum == 0.5


@pytest.mark.parametrize(
    ("value", "sign"), [(0.0, (0, 1, 1, 0)), (0.5, (1, 0, 1, 0)), (1.0, (1, 0, 0, 1)), (2.0, (1, 0, 0, 0))]
)
def test_the_sign_of_a_number_is_what_graphs_branch_on(value: float, sign: tuple[int, ...]) -> None:
    """The sign of a number tells whether it is above 0, equal to 0, below 1 or equal to 1."""
    model = _model()
    model.optimizer.momentum = value
    place = next(place for place in float_attributes(model) if place.attribute == "momentum")
    assert place.sign == tuple(map(bool, sign))


def test_masked_numbers_are_equal() -> None:
    """Within the context all masked numbers are equal, and after it, or an error, they are restored."""
    model = _model()
    places = float_attributes(model)
    before = [place.value for place in places]
    with masked(places):
        assert {place.value for place in places} == {0.5}
    with pytest.raises(ZeroDivisionError), masked(places):
        raise ZeroDivisionError
    np.testing.assert_array_equal([place.value for place in places], before)
