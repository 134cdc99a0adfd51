"""The forms that a user's function may have."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pipeline.study.callables import as_function, python_function
from pipeline.study.function_source import UnloadedFunction


def _build(config: dict[str, Any], extra: int = 0) -> int:
    return len(config) + extra


class _Trainer:
    def build(self, config: dict[str, Any]) -> int:
        return len(config)

    @classmethod
    def made(cls, config: dict[str, Any]) -> int:
        return len(config) + 1


@dataclass
class _Called:
    size: int

    def __call__(self, config: dict[str, Any]) -> int:
        return len(config) + self.size


@functools.wraps(_build)
def _decorated(config: dict[str, Any]) -> int:
    return _build(config) + 1


@pytest.mark.parametrize(
    ("value", "name", "result"),
    [
        (_build, "_build", 1),
        (_decorated, "_build", 2),
        (_Trainer().build, "_Trainer.build", 1),
        (_Trainer.made, "_Trainer.made", 2),
        (functools.partial(_build, extra=3), "_build", 4),
        (functools.partial(_Trainer().build), "_Trainer.build", 1),
        (_Called(4), "_Called.__call__", 5),
        (functools.partial(_Called(4)), "_Called.__call__", 5),
        (functools.update_wrapper(functools.partial(_build, extra=3), _build), "_build", 4),
        (functools.update_wrapper(functools.partial(_Called(4)), _build), "_Called.__call__", 5),
    ],
)
def test_each_form_is_called_and_has_a_name(value: Any, name: str, result: int) -> None:
    """A function, a method, a partial call and an object that is called become functions, which stay what they are."""
    function = as_function(value)
    assert function is not None
    assert function({"a": 1}) == result
    assert function.__qualname__ == name
    assert function.__module__ == __name__
    assert as_function(function) is function
    assert python_function(function).__globals__ is globals()


@pytest.mark.parametrize(
    "value",
    [
        max,
        functools.partial(max, 1),
        _Trainer,
        functools.partial(_Trainer),
        functools.update_wrapper(functools.partial(_Trainer), _Trainer),
        functools.update_wrapper(functools.partial(max, 1), max),
        functools.cache(_build),
        np.vectorize(_build),
        UnloadedFunction("a:b", None),
        object(),
        "json:dumps",
        None,
    ],
)
def test_other_values_are_no_functions(value: Any) -> None:
    """Built-in functions, classes, objects of libraries and of tunepipe, and other values are no functions."""
    assert as_function(value) is None


def test_a_partial_call_that_is_given_keeps_its_attributes() -> None:
    """The user's own partial call gets no name: a copy of it does."""
    given: Callable[..., Any] = functools.partial(_build, extra=1)
    assert as_function(given) is not given
    assert not hasattr(given, "__qualname__")
