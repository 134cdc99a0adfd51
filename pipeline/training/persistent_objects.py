"""Keras objects that a job's code makes outside of its model function: every trial of the process gets the same ones.

An example is `augmentation = keras.Sequential([…])` at the top of a file. Each model begins with the values that such
objects had at first, and with the same layers frozen, so that a trial does not continue from the weights, the draws and
the unfrozen layers of the trials before it.
"""

import re
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.errors import ModelError
from pipeline.study.reachable_objects import reachable
from pipeline.training.internals import layers_of, reserve_names
from pipeline.training.state import describe, without_numbers

_KINDS = (
    keras.layers.Layer,
    keras.metrics.Metric,
    keras.optimizers.Optimizer,
    keras.random.SeedGenerator,
    keras.Variable,
    tf.Variable,
)
_first: dict[int, tuple[weakref.ref[Any], np.ndarray]] = {}
"""A variable's id → the variable, and its value when a model function first used it."""
_first_trainable: dict[int, tuple[weakref.ref[Any], bool]] = {}
"""A layer's id → the layer, and whether it trained when a model function first used it."""


def forget_first_values() -> None:
    """Take the values before the next model as those with which trials begin, as for another job."""
    _first.clear()
    _first_trainable.clear()


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


def share_adapted(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    """Whether two functions use the same layer that learns by `adapt`, as Normalization and TextVectorization do."""
    layers = [{id(layer): layer for layer in PersistentObjects([each]).layers} for each in (one, other)]
    return any(hasattr(layers[0][key], "adapt") for key in layers[0].keys() & layers[1].keys())


class PersistentObjects:
    """What a job's functions reach of Keras before a model is built."""

    def __init__(self, functions: Iterable[Callable[..., Any]]) -> None:
        self._found = [value for value in reachable(functions, _KINDS) if isinstance(value, _KINDS)]
        self.ids = frozenset(map(id, self._found))
        """Ids of the objects, which live as long as this."""

    def __contains__(self, value: object) -> bool:
        return id(value) in self.ids

    @property
    def layers(self) -> list[Any]:
        """The layers, with those in them."""
        layers = [each for each in self._found if isinstance(each, keras.layers.Layer)]
        return [part for layer in layers for part in (layer, *(layers_of(layer) or ()))]

    def has_more_than(self, earlier: "PersistentObjects") -> bool:
        """Whether there are objects that were not there before."""
        return not self.ids <= earlier.ids

    def begin(self) -> None:
        """Restore the first values and the frozen layers, and keep the layers' names from those of the next model."""
        layers = self.layers
        _freeze_as_first(layers)
        for variable in self._variables():
            value = _first_value(variable)
            if value is not None and tuple(variable.shape) == value.shape:
                variable.assign(value)
        self.remember()
        reserve_names([layer.name for layer in layers])

    def remember(self) -> None:
        """Record the values of variables, and of layers whether they train, that have no first value yet.

        A model may have built its layers.
        """
        for layer in self.layers:
            if _trained_first(layer) is None:
                _first_trainable[id(layer)] = (weakref.ref(layer), bool(layer.trainable))
        for variable in self._variables():
            if _first_value(variable) is None:
                _first[id(variable)] = (weakref.ref(variable), np.array(keras.ops.convert_to_numpy(variable)))

    def changed(self, known: Sequence[Any]) -> dict[str, np.ndarray]:
        """The values of variables that differ from their first ones, as a callback that raises a weight leaves them."""
        left_out = set(map(_key, known))
        values = {}
        for name, variable in self._named(_name):
            if _key(variable) in left_out:
                continue
            first, value = _first_value(variable), np.array(keras.ops.convert_to_numpy(variable))
            if first is not None and not np.array_equal(first, value, equal_nan=value.dtype.kind == "f"):
                values[name] = value
        return values

    def restore(self, values: Mapping[str, np.ndarray]) -> Sequence[str]:
        """Assign values that `changed` returned, here or in another process."""
        absent, assigned = dict.fromkeys(values), set()
        for naming in (_name, *_EARLIER_NAMINGS):
            for name, variable in self._named(naming):
                # An earlier naming may give a variable that has its value the name of another one.
                if name in absent and _key(variable) not in assigned:
                    variable.assign(values[name])
                    assigned.add(_key(variable))
                    del absent[name]
        return list(absent)

    def _named(self, naming: Callable[[str], str]) -> Iterator[tuple[str, Any]]:
        """The variables, each with its path as it is named, its shape, its type, and its number among those like it."""
        count = Counter[str]()
        for variable in self._variables():
            (entry,) = describe([variable])
            text = f"{naming(entry['path'])} {entry['shape']} {entry['dtype']}"
            count[text] += 1
            yield f"{text} {count[text]}", variable

    def _variables(self) -> Iterator[Any]:
        for value in self._found:
            if isinstance(value, keras.Variable | tf.Variable):
                yield value
            elif isinstance(value, keras.random.SeedGenerator):
                yield value.state
            elif not isinstance(value, keras.optimizers.Optimizer):
                yield from value.variables


def _name(path: str) -> str:
    """A path without the numbers of automatic names, the first of which has none."""
    return without_numbers(path).replace("_#", "")


def _name_without_digits(path: str) -> str:
    return _DIGITS.sub("#", path).replace("_#", "")


_DIGITS = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}|[0-9]+([-_:. ][0-9]+)*")
_EARLIER_NAMINGS: Sequence[Callable[[str], str]] = (_name_without_digits, str)
"""What named the paths in checkpoints of earlier versions: `conv#d/kernel`, and before that `conv2d_3/kernel`."""


def _key(variable: Any) -> int:
    """The id of the variable of TensorFlow that a variable is, or holds."""
    return id(variable.value if isinstance(variable, keras.Variable) else variable)


def _freeze_as_first(layers: Sequence[Any]) -> None:
    """Let the layers train that did so at first, and no others."""
    # A layer sets those in it, which are corrected by then, or in the next round.
    for _ in layers:
        changed = [layer for layer in layers if _trained_first(layer) not in (None, layer.trainable)]
        if not changed:
            return
        for layer in changed:
            layer.trainable = _trained_first(layer)


def _trained_first(layer: Any) -> bool | None:
    """Whether a layer trained at first; None if it is not recorded."""
    known = _first_trainable.get(id(layer))
    return None if known is None or known[0]() is not layer else known[1]


def _first_value(variable: Any) -> np.ndarray | None:
    """The first value of a variable; None if it is not recorded."""
    known = _first.get(id(variable))
    return None if known is None or known[0]() is not variable else known[1]
