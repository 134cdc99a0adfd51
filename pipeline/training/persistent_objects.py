"""Keras objects that a job's modules make outside of its model function: every trial of the process gets the same ones.

An example is `augmentation = keras.Sequential([…])` at the top of a file. Each model begins with the values that such
objects had at first, and with the same layers frozen, so that a trial does not continue from the weights, the draws and
the unfrozen layers of the trials before it. Found are the globals of the functions' modules and of the user's modules
that these import, what closures hold, and what `functools.cache` has kept.
"""

import functools
import gc
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.code import is_user_file, python_function
from pipeline.errors import ModelError
from pipeline.training.internals import layers_of, reserve_names
from pipeline.training.state import value_of

_KINDS = (
    keras.layers.Layer,
    keras.metrics.Metric,
    keras.optimizers.Optimizer,
    keras.random.SeedGenerator,
    keras.Variable,
    tf.Variable,
)
_CACHE: type = type(functools.cache(len))
_MAX_ITEMS = 1000
"""A longer list holds data."""

_first: dict[int, tuple[weakref.ref[Any], Any]] = {}
"""The id of a variable or layer → it, and its value, or whether it trains, when a model function first used it."""


def forget_first_values() -> None:
    """Take the values before the next model as those with which trials begin, as for another job."""
    _first.clear()


def refuse_shared_weights(models: Iterable[keras.Model]) -> None:
    """Refuse models of one trial, such as its folds, that train the same weights."""
    seen = set[int]()
    for model in models:
        weights = {id(weight): weight for weight in model.trainable_variables}
        if shared := [weight for key, weight in weights.items() if key in seen]:
            raise ModelError(
                f"The models of a trial's folds or repeats share the weight {shared[0].path}: its layer is "
                "made outside of the model function. Make it in the function, so that each model has its own."
            )
        seen |= weights.keys()


class PersistentObjects:
    """What a job's modules have made of Keras before a model is built."""

    def __init__(self, functions: Iterable[Callable[..., Any]]) -> None:
        found = {id(value): (name, value) for name, value in _reached(functions)}
        self._found = list(found.values())
        self.layers = [
            part for _, each in self._found if isinstance(each, keras.layers.Layer) for part in (each, *layers_of(each))
        ]

    def __contains__(self, value: object) -> bool:
        return any(value is each for _, each in self._found)

    def __len__(self) -> int:
        return len(self._found)

    def begin(self) -> None:
        """Restore the first values and the frozen layers, and keep the layers' names from those of the next model."""
        # A layer sets those in it, which are corrected by then, or in the next round.
        for _ in self.layers:
            changed = [layer for layer in self.layers if _first_of(layer) not in (None, layer.trainable)]
            for layer in changed:
                layer.trainable = _first_of(layer)
            if not changed:
                break
        for _, variable in self._variables():
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
        for _, variable in self._variables():
            if _first_of(variable) is None:
                _first[id(variable)] = (weakref.ref(variable), np.array(keras.ops.convert_to_numpy(variable)))

    def changed(self, known: Sequence[Any]) -> dict[str, np.ndarray]:
        """The values of variables that differ from their first ones, as a callback that raises a weight leaves them."""
        known_ids, values = {id(value_of(variable)) for variable in known}, {}
        for name, variable in self._variables():
            first, value = _first_of(variable), np.array(keras.ops.convert_to_numpy(variable))
            same = first is None or np.array_equal(first, value, equal_nan=value.dtype.kind == "f")
            if not same and id(value_of(variable)) not in known_ids:
                values[name] = value
        return values

    def restore(self, values: Mapping[str, np.ndarray]) -> None:
        """Assign values that `changed` returned, here or in another process, to the variables that are found again."""
        for name, variable in self._variables():
            if name in values and tuple(variable.shape) == values[name].shape:
                variable.assign(values[name])

    def _variables(self) -> Iterator[tuple[str, Any]]:
        for name, value in self._found:
            if isinstance(value, keras.Variable | tf.Variable):
                yield name, value
            elif isinstance(value, keras.random.SeedGenerator):
                yield name, value.state
            elif not isinstance(value, keras.optimizers.Optimizer):
                yield from ((f"{name}.{place}", variable) for place, variable in enumerate(value.variables))


def _first_of(value: Any) -> Any:
    known = _first.get(id(value))
    return None if known is None or known[0]() is not value else known[1]


def _reached(functions: Iterable[Callable[..., Any]]) -> Iterator[tuple[str, Any]]:
    """Objects of Keras, each with a name: where it is held, and its place there."""
    homes: dict[str, Mapping[str, Any]] = {}
    for function in functions:
        inner = python_function(function)
        own = getattr(inner, "__globals__", {})
        modules = [value for value in list(own.values()) if isinstance(value, ModuleType) and _is_users(value)]
        for home in (own, *map(vars, modules)):
            homes[str(home.get("__name__"))] = home
        cells = zip(inner.__code__.co_freevars, inner.__closure__ or (), strict=True) if inner.__closure__ else ()
        homes[f"{inner.__qualname__} closure"] = {name: _content(cell) for name, cell in cells}
    for home_name, home in homes.items():
        for name, value in list(home.items()):
            for place, part in enumerate(_parts(value)):
                yield f"{home_name}.{name}.{place}", part


def _parts(value: Any, depth: int = 3) -> Iterator[Any]:
    if isinstance(value, _KINDS):
        yield value
        return
    parts: Iterable[Any] = ()
    if isinstance(value, _CACHE):
        parts = gc.get_referents(value)
    elif isinstance(value, dict | list | tuple) and len(value) <= _MAX_ITEMS:
        parts = value.values() if isinstance(value, dict) else value
    for part in list(parts) if depth else ():
        yield from _parts(part, depth - 1)


def _is_users(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    return module.__name__ == "__main__" or (file is not None and is_user_file(file))


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None
