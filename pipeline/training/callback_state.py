"""The state of callbacks as JSON values and arrays; of users' callbacks, the attributes that change in training."""

import contextlib
import hashlib
import io
import random
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.errors import DamagedFile
from pipeline.storage.checkpoints import is_storable
from pipeline.training.function_state import decoded, encoded

_OF_KERAS = frozenset({"_model", "model", "params"})
"""Attributes that Keras sets when training begins."""

_DRAWN_FROM = (np.random.Generator, np.random.RandomState, random.Random, Iterator)
"""What changes with each use, and is not a number or text."""

_WITH_VARIABLES = (keras.metrics.Metric, keras.optimizers.Optimizer, keras.random.SeedGenerator, tf.random.Generator)
"""Objects of libraries whose variables change in place."""

_Update = Callable[[bytes], None]
_AddObject = Callable[[Any, _Update, tuple[int, ...]], bool]


class ChangedAttributes:
    """The attributes of a callback that have changed since training began.

    Attributes that have not changed come from the callback's own code and the trial's config: a resumed trial has them
    again, and a trial that takes over another's state keeps its own.
    """

    def __init__(self, callback: keras.callbacks.Callback, leave_out: Collection[str] = ()) -> None:
        self._callback, self._leave_out = callback, _OF_KERAS | set(leave_out)
        self._before = {name: self._trace_of(value) for name, value in self._attributes()}
        self._variables = {
            name: len(_variables(value)) for name, value in self._attributes() if isinstance(value, _WITH_VARIABLES)
        }

    def save(self, arrays: list[np.ndarray]) -> dict[str, Any]:
        """The attributes that have changed and can be saved, as JSON values."""
        return encoded({name: self._saved_form(name, value) for name, value in self._changed(saved=True)}, arrays)

    @property
    def unsaved(self) -> dict[str, str]:
        """The names of attributes that have changed and cannot be saved, with the names of their types.

        In a subclass of one of Keras' callbacks, private attributes are Keras' own, such as TensorBoard's writers.
        """
        bases = [kind for kind in type(self._callback).__mro__ if kind is not keras.callbacks.Callback]
        of_keras = any(kind.__module__.startswith("keras.") for kind in bases)
        return {
            name: type(value).__name__
            for name, value in self._changed(saved=False)
            if not (of_keras and name.startswith("_"))
        }

    def _changed(self, *, saved: bool) -> Iterator[tuple[str, Any]]:
        for name, value in self._attributes():
            unchanged = name in self._before and self._before[name] == self._trace_of(value)
            if not unchanged and _can_be_saved(self._saved_form(name, value)) == saved:
                yield name, value

    def _attributes(self) -> Iterator[tuple[str, Any]]:
        for name, value in vars(self._callback).items():
            # A function is code; what changes in its closure is not seen.
            if name not in self._leave_out and (not callable(value) or isinstance(value, _WITH_VARIABLES)):
                yield name, value

    def _saved_form(self, name: str, value: Any) -> Any:
        """What is saved of a value: of an object with variables these, if a new callback has as many."""
        if isinstance(value, deque):
            return list(value)
        variables = _variables(value) if isinstance(value, _WITH_VARIABLES) else []
        return variables if variables and len(variables) == self._variables.get(name) else value

    def _trace_of(self, value: Any) -> bytes:
        """What shows whether a value is still the same: its content, and which objects are part of it.

        Objects of the callback's own module are compared by their attributes, too, and those of Keras by their
        variables.
        """
        found = hashlib.blake2b(digest_size=16)
        home = type(self._callback).__module__

        def add_object(value: Any, update: _Update, around: tuple[int, ...]) -> bool:
            update(f"{id(value)};".encode())
            if isinstance(value, _WITH_VARIABLES):
                return _add(_variables(value), update, around, add_object)
            if type(value).__module__ == home and id(value) not in around and hasattr(value, "__dict__"):
                return _add(dict(vars(value)), update, (*around, id(value)), add_object)
            return True

        _add(value, found.update, (), add_object)
        return found.digest()


def restore_attributes(
    callback: keras.callbacks.Callback, saved: Mapping[str, Any], arrays: Sequence[np.ndarray]
) -> None:
    """Restore saved attributes, in place where others may refer to the same list, dict or variable."""
    values = decoded(saved, arrays, folder=no_folder)
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise DamagedFile("The saved attributes of a callback cannot be read: they are not a dict of names.")
    for name, value in values.items():
        current = vars(callback).get(name)
        if isinstance(current, list | deque) and isinstance(value, list):
            current.clear()
            current.extend(value)
        elif any(isinstance(current, kind) and isinstance(value, kind) for kind in (dict, set)):
            current.clear()
            current.update(value)
        elif hasattr(current, "assign") and isinstance(value, np.ndarray):
            current.assign(value)
        elif isinstance(current, _WITH_VARIABLES) and isinstance(value, list):
            for variable, array in zip(_variables(current), value, strict=True):
                variable.assign(array)
        else:
            setattr(callback, name, value)


def drawn_from(callback: keras.callbacks.Callback) -> str | None:
    """The kind of a generator that a callback or one of its functions holds, whose state is not saved; None if none
    is.
    """
    # An open file is an iterator, too.
    kinds = (
        type(value).__name__
        for value in _reached(callback)
        if isinstance(value, _DRAWN_FROM) and not isinstance(value, io.IOBase)
    )
    return next(kinds, None)


def as_json(value: Any, arrays: list[np.ndarray]) -> Any:
    """The attributes of a callback of Keras as JSON values."""
    if isinstance(value, np.ndarray):
        arrays.append(np.array(value))
        return {"array": len(arrays) - 1}
    if isinstance(value, list | tuple):
        return [as_json(item, arrays) for item in value]
    if isinstance(value, Mapping):
        return {"dict": {str(key): as_json(item, arrays) for key, item in value.items()}}
    if hasattr(value, "numpy"):
        return as_json(value.numpy(), arrays)
    return value.item() if isinstance(value, np.generic) else value


def from_json(value: Any, arrays: Sequence[np.ndarray]) -> Any:
    """A state from the result of `as_json`."""
    if isinstance(value, dict) and "array" in value:
        return arrays[value["array"]]
    if isinstance(value, dict):
        return {key: from_json(item, arrays) for key, item in value["dict"].items()}
    if isinstance(value, list):
        return [from_json(item, arrays) for item in value]
    return value


def no_folder() -> Path:
    """Refuse files in a callback's state."""
    raise ValueError("an attribute holds no files")


def _variables(value: Any) -> list[Any]:
    return list(value.variables) if hasattr(value, "variables") else [value.state]


def _can_be_saved(value: Any) -> bool:
    return _add(value, lambda _part: None, (), lambda _value, _update, _around: False)


def _add(value: Any, update: _Update, around: tuple[int, ...], add_object: _AddObject) -> bool:
    """Add a value to a hash; returns whether it can be saved, or what `add_object` returns for a part that cannot."""
    if value is None or type(value) in (bool, int, float, str, bytes):
        update(f"{type(value).__name__} {value!r};".encode("utf-8", "surrogatepass"))
        return True
    if id(value) in around:
        return add_object(value, update, around)
    around_part = (*around, id(value))
    if isinstance(value, dict):
        update(f"dict {len(value)};".encode())
        if not all(type(key) in (bool, int, float, str) for key in value) and not add_object(
            value, update, around_part
        ):
            return False
        return all(_add(part, update, around_part, add_object) for pair in value.items() for part in pair)
    # A list or tuple of another class, such as a named tuple, would come back as a plain one.
    if type(value) in (list, tuple) or (isinstance(value, deque) and not around):
        update(f"{type(value).__name__} {len(value)};".encode())
        return all(_add(part, update, around_part, add_object) for part in value)
    if type(value) in (set, frozenset):
        update(f"{type(value).__name__} {len(value)};".encode())
        # One by one: the order of a set says nothing.
        members = [hashlib.blake2b(digest_size=16) for _ in value]
        saved = [_add(part, one.update, around_part, add_object) for part, one in zip(value, members, strict=True)]
        update(b"".join(sorted(one.digest() for one in members)))
        return all(saved)
    if isinstance(value, np.ndarray | np.generic) or (hasattr(value, "__array__") and hasattr(value, "numpy")):
        try:
            array = np.ascontiguousarray(value.numpy() if hasattr(value, "numpy") else value)
        except Exception:  # a tensor of a graph
            return add_object(value, update, around)
        if not is_storable(array.dtype):
            return add_object(value, update, around)
        update(f"{array.dtype} {array.shape};".encode())
        update(array.tobytes())
        return True
    return add_object(value, update, around)


def _reached(callback: keras.callbacks.Callback) -> Iterator[Any]:
    """The values in a callback's attributes, and in the closures of its functions."""
    own = vars(callback).values()
    kind = type(callback)
    methods = () if kind.__module__.startswith("keras.") else vars(kind).values()
    yield from own
    for function in (*own, *methods):
        for cell in getattr(function, "__closure__", None) or ():
            with contextlib.suppress(ValueError):  # an empty cell
                yield cell.cell_contents
