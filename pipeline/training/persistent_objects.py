"""Keras objects that a job's modules make outside of its model function: every trial of the process gets the same ones.

An example is `augmentation = keras.Sequential([…])` at the top of a file. Each model begins with the values that such
objects had at first, and with the same layers frozen, so that a trial does not continue from the weights, the draws and
the unfrozen layers of the trials before it. Found are the globals of the functions' modules and of the user's modules
that these import, and what closures hold.
"""

import weakref
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.code.frames import is_user_file
from pipeline.code.functions import python_function
from pipeline.training.internals import layers_of, reserve_names

_KINDS = (
    keras.layers.Layer,
    keras.metrics.Metric,
    keras.optimizers.Optimizer,
    keras.random.SeedGenerator,
    keras.Variable,
    tf.Variable,
)
_MAX_ITEMS = 1000
"""A longer list holds data."""

_first: dict[int, tuple[weakref.ref[Any], Any]] = {}
"""The id of a variable or layer → it, and its value, or whether it trains, when a model function first used it."""


def forget_first_values() -> None:
    """Take the values before the next model as those with which trials begin, as for another job."""
    _first.clear()


class PersistentObjects:
    """What a job's modules have made of Keras before a model is built."""

    def __init__(self, functions: Iterable[Callable[..., Any]]) -> None:
        self._found = list({id(value): value for value in _reached(functions)}.values())
        self.layers = [
            part for each in self._found if isinstance(each, keras.layers.Layer) for part in (each, *layers_of(each))
        ]

    def __contains__(self, value: object) -> bool:
        return any(value is each for each in self._found)

    def begin(self) -> None:
        """Restore the first values and the frozen layers, and keep the layers' names from those of the next model."""
        # A layer sets those in it, which come after it.
        for layer in self.layers:
            if _first_of(layer) not in (None, layer.trainable):
                layer.trainable = _first_of(layer)
        for variable in self._variables():
            value = _first_of(variable)
            if value is not None and tuple(variable.shape) == value.shape:
                variable.assign(value)
        self.remember()
        reserve_names([layer.name for layer in self.layers])

    def remember(self) -> None:
        """Record what has no first value yet: a model may have built its layers."""
        for layer in self.layers:
            if _first_of(layer) is None:
                _first[id(layer)] = (weakref.ref(layer), bool(layer.trainable))
        for variable in self._variables():
            if _first_of(variable) is None:
                _first[id(variable)] = (weakref.ref(variable), np.array(keras.ops.convert_to_numpy(variable)))

    def _variables(self) -> Iterator[Any]:
        for value in self._found:
            if isinstance(value, keras.Variable | tf.Variable):
                yield value
            elif isinstance(value, keras.random.SeedGenerator):
                yield value.state
            elif not isinstance(value, keras.optimizers.Optimizer):
                yield from value.variables


def _first_of(value: Any) -> Any:
    known = _first.get(id(value))
    return None if known is None or known[0]() is not value else known[1]


def _reached(functions: Iterable[Callable[..., Any]]) -> Iterator[Any]:
    for function in functions:
        inner = python_function(function)
        own = getattr(inner, "__globals__", {})
        modules = [value for value in list(own.values()) if isinstance(value, ModuleType)]
        modules = [module for module in modules if (file := getattr(module, "__file__", None)) and is_user_file(file)]
        homes = [own, *map(vars, modules), dict(enumerate(map(_content, inner.__closure__ or ())))]
        for value in [value for home in homes for value in list(home.values())]:
            yield from _parts(value)


def _parts(value: Any, depth: int = 3) -> Iterator[Any]:
    if isinstance(value, _KINDS):
        yield value
        return
    if depth and isinstance(value, dict | list | tuple) and len(value) <= _MAX_ITEMS:
        for part in list(value.values() if isinstance(value, dict) else value):
            yield from _parts(part, depth - 1)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None
