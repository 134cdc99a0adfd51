"""Values of hyperparameters: how they are read, and when two are equal."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from pydantic import TypeAdapter, ValidationError

from pipeline.space import (
    Choice,
    Grid,
    IntUniform,
    Normal,
    Space,
    Uniform,
)
from pipeline.space.values import key_of, leaves, plain
from tests.unit.space.strategies import values

_SPACE: TypeAdapter[Any] = TypeAdapter(Space)


@given(value=values.filter(lambda value: not isinstance(value, dict) or "kind" not in value))
def test_constants_survive_json(value: Any) -> None:
    """A fixed value keeps its type through JSON: 1, 1.0 and True stay distinct."""
    space = _SPACE.validate_python({"p": value})
    read = _SPACE.validate_json(_SPACE.dump_json(space))
    assert repr(read) == repr({"p": value})


@pytest.mark.parametrize(
    "value",
    [
        Uniform(True, 2),  # type: ignore[arg-type]
        Uniform("0", 1),  # type: ignore[arg-type]
        Uniform(0, math.inf),
        Normal(math.nan, 1),
        IntUniform(0.0, 5),  # type: ignore[arg-type]
        IntUniform(False, 5),
        IntUniform(0, 5, log=1),  # type: ignore[arg-type]
        Choice("ab"),  # type: ignore[arg-type]
        Choice([math.nan]),
        Choice([[1, math.nan]]),
        Choice([[1, {2}]]),  # type: ignore[list-item]
        Choice([{1: 2}]),  # type: ignore[list-item]
        Choice([{"a": max}]),  # type: ignore[list-item]
        Choice([[Uniform(0, 1)]]),  # type: ignore[list-item]
        Choice([["\ud800"]]),
        Choice([{"\ud800": 1}]),
        Choice([[2**63]]),
        Grid([2**63]),
        {"kind": "uniform", "low": 0},
        {"kind": "uniform", "low": 0, "high": 1, "q": 1},
        {"kind": "other"},
        {"low": 0, "high": 1},
        {"values": [1, 2], "of": "width"},
        {"branches": {}},
        {"lr": Uniform(0, 1)},
        [Uniform(0, 1)],
        {1, 2},
        max,
        b"x",
        math.inf,
        2**63,
        "\ud800",
    ],
)
def test_other_values_are_refused(value: object) -> None:
    """A value of another type is refused instead of converted, such as text for a number or true for 1."""
    with pytest.raises(ValidationError):
        _SPACE.validate_python({"p": value})


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (Uniform(np.float32(0.5), np.int64(2)), Uniform(0.5, 2.0)),
        (IntUniform(np.int8(1), np.uint64(5)), IntUniform(1, 5)),
        (Choice(np.array([1, 2])), Choice((1, 2))),
        (Grid([np.float64(0.5), "a"]), Grid((0.5, "a"))),
        (np.array([1, 2]), [1, 2]),
        (Choice([(64, np.int64(32)), np.array([[0.5]]), {np.str_("a"): ()}]), Choice(([64, 32], [[0.5]], {"a": []}))),
    ],
)
def test_numpy_values_are_read_as_plain_ones(value: object, read: object) -> None:
    """NumPy's scalars and arrays are read as the equivalent Python values."""
    space = _SPACE.validate_python({"p": value})
    assert repr(space) == repr({"p": read})


@given(value=values)
def test_equal_keys_mean_equal_values(value: Any) -> None:
    """A key contains the whole value with its types, and reading it as JSON gives the value."""
    assert json.loads(key_of(value)) == value
    assert key_of(json.loads(key_of(value))) == key_of(value)


def test_keys_tell_types_apart() -> None:
    """1, 1.0, True and "1" have four keys; the order of a dict's names has no effect on its key."""
    assert len({key_of(value) for value in (1, 1.0, True, "1")}) == 4
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})


def test_a_numpy_scalar_becomes_a_plain_value() -> None:
    """A NumPy scalar becomes a Python value, and other objects are unchanged."""
    assert type(plain(np.float32(0.5))) is float
    assert type(plain(np.bool_(True))) is bool
    array = np.arange(2)
    assert plain(array) is array


def test_leaves_are_the_values_at_any_depth() -> None:
    """The leaves of lists and dicts are their values in order at any depth; any other value is its only leaf."""
    assert list(leaves([1, {"a": [None, "x"], "b": []}, 2.5])) == [1, None, "x", 2.5]
    assert list(leaves("text")) == ["text"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "must be finite"),
        ([1.0, math.inf], "must hold finite numbers"),
        (2**63, "must fit in 64 bits"),
        ({"a": -(2**63) - 1}, "must hold whole numbers that fit in 64 bits"),
        ({1}, "or a list or an object of these)"),
        ([{1}], "or a list or an object of these), and it holds of type set"),
        ({1: 2}, "must have text as keys, and 1 is of type int"),
    ],
)
def test_an_error_says_whether_a_value_or_a_part_of_it_is_wrong(value: Any, message: str) -> None:
    """A value that cannot be used is refused, and the message tells the value itself from one within it."""
    with pytest.raises(ValidationError) as caught:
        _SPACE.validate_python({"p": Choice([value])})
    assert [error["msg"] for error in caught.value.errors() if error["msg"].endswith(message)]


def test_values_are_nested_at_most_32_deep() -> None:
    """A list within 31 others is a value, and one more list is an error."""
    nested: Any = 1
    for _ in range(32):
        nested = [nested]
    assert _SPACE.validate_python({"p": Choice([nested])})
    with pytest.raises(ValidationError, match="must be nested at most 32 deep"):
        _SPACE.validate_python({"p": Choice([[nested]])})
