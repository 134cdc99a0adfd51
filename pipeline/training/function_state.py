"""The state of a function as JSON values and arrays: dicts, lists, arrays, Keras models, folders. Nothing is pickled.

Each value of the state is an object with one key that says what it is: `value` (a JSON value), `dict` (pairs), `list`,
`tuple`, `set`, `frozenset`, `array`, `scalar` and `bytes` (positions among the arrays), `model` (a Keras model's
config, with `variables`: its first array and their number), `file` and `folder` (names and positions).
"""

import sys
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pipeline.errors import DamagedFile, ModelError
from pipeline.storage.checkpoints import is_storable
from pipeline.study.callables import python_function

_VALUES = "a state is made of dicts, lists, tuples, sets, numbers, text, None, arrays"
_ALLOWED = {
    True: f"{_VALUES} and bytes",
    False: f"{_VALUES}, bytes, Keras models, and the Path of a folder or a file",
}
"""What a state may hold, by whether it may hold values only."""


def encoded(state: Any, arrays: list[np.ndarray], *, where: str = "state", values_only: bool = False) -> dict[str, Any]:
    """A state as JSON values; its arrays are copied."""
    return _encoded(state, arrays, where, (), values_only)


def decoded(
    tree: Mapping[str, Any], arrays: Sequence[np.ndarray], *, folder: Callable[[], Path], function: Any = None
) -> Any:
    """A state from the result of `encoded`: equal to the first one, and shared with nothing."""
    try:
        return _decoded(tree, arrays, folder, function)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise DamagedFile(f"A saved state cannot be read: {type(error).__name__}: {error}") from error


def _encoded(
    value: Any, arrays: list[np.ndarray], where: str, around: tuple[int, ...], values_only: bool
) -> dict[str, Any]:
    def inner(part: Any, place: str) -> dict[str, Any]:
        return _encoded(part, arrays, f"{where}{place}", (*around, id(value)), values_only)

    if value is None or (isinstance(value, bool | int | float | str) and not isinstance(value, np.generic)):
        return {"value": _plain(value)}
    if id(value) in around:
        raise ModelError(f"The {where} contains itself; {_ALLOWED[values_only]}.")
    if isinstance(value, Mapping):
        return {"dict": [[_key(key, where), inner(each, f"[{key!r}]")] for key, each in value.items()]}
    if isinstance(value, list | tuple):
        parts = [inner(each, f"[{place}]") for place, each in enumerate(value)]
        return {"tuple" if isinstance(value, tuple) else "list": parts}
    if isinstance(value, set | frozenset):
        parts = [inner(each, ", in a set,") for each in _in_order(value)]
        return {"frozenset" if isinstance(value, frozenset) else "set": parts}
    if isinstance(value, bytes | bytearray):
        return {"bytes": _added(arrays, np.frombuffer(bytes(value), np.uint8))}
    if isinstance(value, Path) and not values_only:
        return _encoded_files(value, arrays, where)
    if _is_model(value) and not values_only:
        return _encoded_model(value, arrays, where)
    if (array := _array(value)) is not None:
        return {"scalar" if isinstance(value, np.generic) else "array": _added(arrays, array)}
    raise ModelError(f"The {where} is an object of type {type(value).__name__}; {_ALLOWED[values_only]}.")


def _decoded(tree: Mapping[str, Any], arrays: Sequence[np.ndarray], folder: Callable[[], Path], function: Any) -> Any:
    def inner(part: Mapping[str, Any]) -> Any:
        return _decoded(part, arrays, folder, function)

    kind = next(iter(tree))
    content = tree[kind]
    if kind == "value":
        return content
    if kind == "dict":
        return {key: inner(part) for key, part in content}
    if kind in ("list", "tuple"):
        parts = [inner(part) for part in content]
        return tuple(parts) if kind == "tuple" else parts
    if kind in ("set", "frozenset"):
        members = map(inner, content)
        return set(members) if kind == "set" else frozenset(members)
    if kind == "array":
        return np.array(arrays[content])
    if kind == "scalar":
        return arrays[content][()]
    if kind == "bytes":
        return arrays[content].tobytes()
    if kind == "model":
        first, count = tree["variables"]
        return _decoded_model(content, first, count, arrays, function)
    if kind in ("file", "folder"):
        return _decoded_files(tree, arrays, folder())
    raise ValueError(f"there is no kind {kind!r}")


def _in_order(members: Set[Any]) -> list[Any]:
    """The members of a set, in an order that does not depend on the process."""
    return sorted(members, key=lambda each: (type(each).__name__, repr(each)))


def _plain(value: Any) -> Any:
    """The value as Python's own type: a subclass, such as an enumeration, would come back as something else."""
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _key(key: Any, where: str) -> Any:
    if key is None or (isinstance(key, bool | int | float | str) and not isinstance(key, np.generic)):
        return _plain(key)
    raise ModelError(f"The {where} has the key {key!r:.60} of type {type(key).__name__}; keys must be text or numbers.")


def _added(arrays: list[np.ndarray], array: np.ndarray) -> int:
    arrays.append(array)
    return len(arrays) - 1


def _array(value: Any) -> np.ndarray | None:
    """A copy of an array, a tensor or a variable; None for anything else."""
    if not isinstance(value, np.ndarray | np.generic) and not hasattr(value, "__array__"):
        return None
    try:
        array = np.array(value.numpy() if hasattr(value, "numpy") else value)
    except Exception:  # such as a tensor of another device, or a ragged one
        return None
    return array if is_storable(array.dtype) else None


def _is_model(value: Any) -> bool:
    return "keras" in sys.modules and isinstance(value, sys.modules["keras"].Model)


def _encoded_model(model: Any, arrays: list[np.ndarray], where: str) -> dict[str, Any]:
    import keras

    from pipeline.training.state import save_variables

    if not model.built:
        raise ModelError(f"The {where} is a Keras model that is not built: train or call it once before it is yielded.")
    try:
        config = keras.saving.serialize_keras_object(model)
    except NotImplementedError as error:
        raise ModelError(
            f"The {where} is a Keras model without get_config, which cannot be rebuilt: {' '.join(str(error).split())} "
            "Add get_config, or yield the arrays of its weights and of its optimiser's variables."
        ) from error
    first = len(arrays)
    arrays += save_variables(_variables(model))
    return {"model": config, "variables": [first, len(arrays) - first]}


def _variables(model: Any) -> list[Any]:
    return [*model.variables, *(model.optimizer.variables if model.optimizer is not None else ())]


def _decoded_model(
    config: Mapping[str, Any], first: int, count: int, arrays: Sequence[np.ndarray], function: Any
) -> Any:
    from pipeline.training.lazy_imports import import_keras

    import_keras()
    import keras

    try:
        model = keras.saving.deserialize_keras_object(
            dict(config), custom_objects=_own_objects(function), safe_mode=True
        )
        if model.optimizer is not None and len(_variables(model)) < count:
            model.optimizer.build(model.trainable_variables)
    except Exception as error:
        raise ModelError(
            f"The Keras model of a saved state cannot be rebuilt: {type(error).__name__}: "
            f"{' '.join(str(error).split())} Register its classes with keras.saving.register_keras_serializable, and "
            "give them get_config; or yield the arrays of its weights and of its optimiser's variables."
        ) from error
    variables, values = _variables(model), arrays[first : first + count]
    if [tuple(each.shape) for each in variables] != [array.shape for array in values]:
        raise ModelError(
            f"The Keras model of a saved state has {count} variables, and {len(variables)} after it was rebuilt from "
            "its config, or other shapes: its get_config leaves something out."
        )
    for variable, array in zip(variables, values, strict=True):
        variable.assign(array)
    return model


def _own_objects(function: Any) -> dict[str, Any]:
    """What the module of a function defines: a model may use its classes and functions."""
    home = getattr(python_function(function), "__globals__", {})
    return {
        name: each
        for name, each in home.items()
        if callable(each) and getattr(each, "__module__", None) == home.get("__name__")
    }


def _encoded_files(path: Path, arrays: list[np.ndarray], where: str) -> dict[str, Any]:
    try:
        if path.is_file():
            return {"file": [path.name, _read(path, arrays)]}
        if not path.is_dir():
            raise ModelError(f"The {where} is the path {path}, and there is no such folder or file.")
        entries = sorted(path.rglob("*"))
        if links := [each for each in entries if each.is_symlink()]:
            raise ModelError(f"The {where} is a folder with a link, {links[0]}: only files and folders can be saved.")
        files = [[each.relative_to(path).as_posix(), _read(each, arrays)] for each in entries if each.is_file()]
        folders = [each.relative_to(path).as_posix() for each in entries if each.is_dir()]
    except OSError as error:
        raise ModelError(f"The {where} is the path {path}, which cannot be read: {error.strerror}.") from error
    return {"folder": files, "name": path.absolute().name, "folders": folders}


def _read(path: Path, arrays: list[np.ndarray]) -> int:
    return _added(arrays, np.frombuffer(path.read_bytes(), np.uint8))


def _decoded_files(tree: Mapping[str, Any], arrays: Sequence[np.ndarray], parent: Path) -> Path:
    if "file" in tree:
        name, place = tree["file"]
        target = _within(parent, name)
        target.write_bytes(arrays[place].tobytes())
        return target
    root = _within(parent, tree["name"] or "state")
    root.mkdir(parents=True)
    for name in tree["folders"]:
        _within(root, name).mkdir(parents=True, exist_ok=True)
    for name, place in tree["folder"]:
        target = _within(root, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(arrays[place].tobytes())
    return root


def _within(folder: Path, name: str) -> Path:
    """The path of a file within a folder: a study may come from anyone."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise ValueError(f"{name!r} is not the name of a file of a state")
    return folder / path
