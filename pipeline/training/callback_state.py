"""The state of callbacks as JSON values and arrays; of users' callbacks, the attributes that change in training."""

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline.errors import DamagedFile
from pipeline.storage.checkpoints import is_storable
from pipeline.training.function_state import decoded, encoded

__all__ = ["ChangedAttributes", "as_json", "from_json", "restore_attributes"]

_OF_KERAS = frozenset({"_model", "model", "params"})
"""Attributes that Keras sets when training begins."""

_Update = Callable[[bytes], None]


class ChangedAttributes:
    """The attributes of a callback that have changed since training began.

    Attributes that have not changed come from the callback's own code and the trial's config: a resumed trial has them
    again, and a trial that takes over another's state keeps its own.

    Args:
        callback: The callback, after its first on_train_begin.
        leave_out: Further names of attributes that are saved in another way, or never.
    """

    def __init__(self, callback: keras.callbacks.Callback, leave_out: Collection[str] = ()) -> None:
        self._callback, self._leave_out = callback, _OF_KERAS | set(leave_out)
        self._before = {name: _trace_of(value) for name, value in self._attributes()}

    def save(self, arrays: list[np.ndarray]) -> dict[str, Any]:
        """The attributes that have changed and can be saved, as JSON values.

        Args:
            arrays: Their arrays are appended, as copies.
        """
        changed = {
            name: list(value) if isinstance(value, deque) else value
            for name, value in self._attributes()
            if self._changed(name, value) and _digest(value) is not None
        }
        return encoded(changed, arrays)

    @property
    def unsaved(self) -> dict[str, str]:
        """The names of attributes that have changed and cannot be saved, with the names of their types.

        Of a subclass of one of Keras' callbacks, private attributes are Keras' own, such as TensorBoard's writers.
        """
        bases = [kind for kind in type(self._callback).__mro__ if kind is not keras.callbacks.Callback]
        of_keras = any(kind.__module__.startswith("keras.") for kind in bases)
        return {
            name: type(value).__name__
            for name, value in self._attributes()
            if self._changed(name, value) and _digest(value) is None and not (of_keras and name.startswith("_"))
        }

    def _changed(self, name: str, value: Any) -> bool:
        return name not in self._before or self._before[name] != _trace_of(value)

    def _attributes(self) -> Iterator[tuple[str, Any]]:
        for name, value in vars(self._callback).items():
            # A function is code; what changes in its closure is not seen.
            if name not in self._leave_out and not callable(value):
                yield name, value


def restore_attributes(
    callback: keras.callbacks.Callback, saved: Mapping[str, Any], arrays: Sequence[np.ndarray]
) -> None:
    """Restore saved attributes, in place where others may refer to the same list, dict or variable.

    Args:
        callback: The callback, after on_train_begin.
        saved: What `ChangedAttributes.save` returned.
        arrays: The arrays.

    Raises:
        DamagedFile: The values are not those of attributes.
    """
    values = decoded(saved, arrays, folder=_no_folder)
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise DamagedFile("The saved attributes of a callback cannot be read: they are no dict of names.")
    for name, value in values.items():
        current = vars(callback).get(name)
        if isinstance(current, list | deque) and isinstance(value, list):
            current.clear()
            current.extend(value)
        elif isinstance(current, dict) and isinstance(value, dict):
            current.clear()
            current.update(value)
        elif hasattr(current, "assign") and isinstance(value, np.ndarray):
            current.assign(value)
        else:
            setattr(callback, name, value)


def as_json(value: Any, arrays: list[np.ndarray]) -> Any:
    """A state that a callback of Keras, or get_state of a user's, has, as JSON values.

    Args:
        value: Numbers, text and arrays in lists and dicts.
        arrays: Its arrays are appended, as copies.

    Returns:
        The value; an array as its place among the arrays.
    """
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
    """A state from the result of `as_json`.

    Args:
        value: The JSON values.
        arrays: The arrays.

    Returns:
        Numbers, text and arrays in lists and dicts.
    """
    if isinstance(value, dict) and "array" in value:
        return arrays[value["array"]]
    if isinstance(value, dict):
        return {key: from_json(item, arrays) for key, item in value["dict"].items()}
    if isinstance(value, list):
        return [from_json(item, arrays) for item in value]
    return value


def _no_folder() -> Path:
    raise ValueError("an attribute holds no files")


def _trace_of(value: Any) -> tuple[bytes, int]:
    """What tells whether a value is still the same: its content, or the object itself where that cannot be read."""
    digest = _digest(value)
    return (b"", id(value)) if digest is None else (digest, 0)


def _digest(value: Any) -> bytes | None:
    """A hash of the content of a value; None if it is not made of what can be saved."""
    found = hashlib.blake2b(digest_size=16)
    return found.digest() if _add(value, found.update, ()) else None


def _add(value: Any, update: _Update, around: tuple[int, ...]) -> bool:
    """Add a value to a hash; returns whether it can be saved."""
    if value is None or type(value) in (bool, int, float, str, bytes):
        update(f"{type(value).__name__} {value!r};".encode("utf-8", "surrogatepass"))
        return True
    # A list or tuple of another class, such as a named tuple, would come back as a plain one.
    if isinstance(value, dict) or type(value) in (list, tuple) or (isinstance(value, deque) and not around):
        if id(value) in around:
            return False
        update(f"{type(value).__name__} {len(value)};".encode())
        keys = all(type(key) in (bool, int, float, str) for key in value) if isinstance(value, dict) else True
        parts = [part for pair in value.items() for part in pair] if isinstance(value, dict) else value
        return keys and all(_add(part, update, (*around, id(value))) for part in parts)
    if isinstance(value, np.ndarray | np.generic) or (hasattr(value, "__array__") and hasattr(value, "numpy")):
        try:
            array = np.ascontiguousarray(value.numpy() if hasattr(value, "numpy") else value)
        except Exception:  # a tensor of a graph
            return False
        if not is_storable(array.dtype):
            return False
        update(f"{array.dtype} {array.shape};".encode())
        update(array.tobytes())
        return True
    return False
