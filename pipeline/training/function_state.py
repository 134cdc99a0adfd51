"""The state of a function as JSON values and arrays, or as files for others.

Nothing is pickled. Each value of the state is an object with one key that says what it is: `value` (a JSON value),
`dict` (pairs), `list`, `tuple`, `set`, `frozenset`, `array`, `scalar` and `bytes` (positions among the arrays), `model`
(a Keras model's config, with `variables`: its first array and their number), `file` and `folder` (names and positions).
"""

import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pipeline.code import python_function
from pipeline.errors import DamagedFile, ModelError
from pipeline.storage.checkpoints import is_storable

_STATE, _ARRAYS, _MODEL, _FILES = "state.json", "arrays.npz", "model.keras", "files"


def encoded(
    value: Any,
    arrays: list[np.ndarray],
    *,
    where: str = "state",
    values_only: bool = False,
    around: tuple[int, ...] = (),
) -> dict[str, Any]:
    def inner(part: Any, place: Any) -> dict[str, Any]:
        around_it = (*around, id(value))
        return encoded(part, arrays, where=f"{where}[{place!r}]", values_only=values_only, around=around_it)

    if _is_plain(value):
        return {"value": _plain(value)}
    if id(value) in around:
        raise ModelError(f"The {where} contains itself, which cannot be saved.")
    if isinstance(value, Mapping):
        return {"dict": [[_key(key, where), inner(each, key)] for key, each in value.items()]}
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            # A set in an order that does not depend on the process.
            ordered = kind in (list, tuple)
            parts = value if ordered else sorted(value, key=lambda each: (type(each).__name__, repr(each)))
            return {kind.__name__: [inner(each, place) for place, each in enumerate(parts)]}
    if isinstance(value, bytes | bytearray):
        return {"bytes": _add(arrays, np.frombuffer(bytes(value), np.uint8))}
    if isinstance(value, Path) and not values_only:
        return _files(value, where, arrays)
    if is_model(value) and not values_only:
        return _model(value, where, arrays)
    if (array := _array(value)) is not None:
        return {"scalar" if isinstance(value, np.generic) else "array": _add(arrays, array)}
    further = "" if values_only else ", Keras models, and the Path of a folder or a file"
    raise ModelError(
        f"The {where} is an object of type {type(value).__name__}; a state is made of dicts, lists, tuples, sets, "
        f"numbers, text, None, arrays, bytes{further}."
    )


def decoded(
    tree: Mapping[str, Any], arrays: Sequence[np.ndarray], *, folder: Callable[[], Path], function: Any = None
) -> Any:
    try:
        return _decoded(tree, arrays, folder, function)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise DamagedFile(f"A saved state cannot be read: {type(error).__name__}: {error}") from error


def _add(arrays: list[np.ndarray], array: np.ndarray) -> int:
    arrays.append(array)
    return len(arrays) - 1


def _model(model: Any, where: str, arrays: list[np.ndarray]) -> dict[str, Any]:
    import keras

    from pipeline.training.state import save_variables

    if not model.built:
        raise ModelError(f"The {where} is a Keras model that is not built: train or call it once before it is yielded.")
    try:
        config = keras.saving.serialize_keras_object(model)
    except NotImplementedError as error:
        raise ModelError(
            f"The {where} is a Keras model that cannot be rebuilt: {' '.join(str(error).split())} Add get_config, or "
            "yield the arrays of its weights and of its optimiser's variables."
        ) from error
    first = len(arrays)
    arrays += save_variables(_variables(model))
    return {"model": config, "variables": [first, len(arrays) - first]}


def _files(path: Path, where: str, arrays: list[np.ndarray]) -> dict[str, Any]:
    if not path.exists():
        raise ModelError(f"The {where} is the path {path}, and there is no such folder or file.")
    entries = [path] if path.is_file() else sorted(path.rglob("*"))
    if links := [each for each in entries if each.is_symlink()]:
        raise ModelError(f"The {where} is a folder with a link, {links[0]}: only files and folders can be saved.")
    root = path.parent if path.is_file() else path
    files = [
        [each.relative_to(root).as_posix(), _add(arrays, np.frombuffer(each.read_bytes(), np.uint8))]
        for each in entries
        if each.is_file()
    ]
    return {"file": files[0]} if path.is_file() else {"folder": files, "name": path.absolute().name}


def _decoded(tree: Mapping[str, Any], arrays: Sequence[np.ndarray], folder: Callable[[], Path], function: Any) -> Any:
    def inner(parts: Sequence[Mapping[str, Any]]) -> list[Any]:
        return [_decoded(part, arrays, folder, function) for part in parts]

    kind, content = next(iter(tree.items()))
    if kind == "value":
        return content
    if kind == "dict":
        return dict(zip((key for key, _ in content), inner([part for _, part in content]), strict=True))
    if kind in ("list", "tuple", "set", "frozenset"):
        return {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[kind](inner(content))
    if kind == "array":
        return np.array(arrays[content])
    if kind == "scalar":
        return arrays[content][()]
    if kind == "bytes":
        return arrays[content].tobytes()
    if kind == "model":
        first, count = tree["variables"]
        return _decoded_model(content, arrays[first : first + count], function)
    if kind in ("file", "folder"):
        return _decoded_files(tree, arrays, folder())
    raise ValueError(f"there is no kind {kind!r}")


def _is_plain(value: Any) -> bool:
    return value is None or (isinstance(value, bool | int | float | str) and not isinstance(value, np.generic))


def _plain(value: Any) -> Any:
    """The value as Python's own type: a subclass, such as an enumeration, would come back as something else."""
    return next((kind(value) for kind in (bool, int, float, str) if isinstance(value, kind)), value)


def _key(key: Any, where: str) -> Any:
    if _is_plain(key):
        return _plain(key)
    raise ModelError(f"The {where} has the key {key!r:.60} of type {type(key).__name__}; keys must be text or numbers.")


def _array(value: Any) -> np.ndarray | None:
    """A copy of an array, a tensor or a variable; None for anything else."""
    if not hasattr(value, "__array__"):
        return None
    try:
        array = np.array(value.numpy() if hasattr(value, "numpy") else value)
    except Exception:  # such as a tensor of another device, or a ragged one
        return None
    return array if is_storable(array.dtype) else None


def is_model(value: Any) -> bool:
    return "keras" in sys.modules and isinstance(value, sys.modules["keras"].Model)


def _variables(model: Any) -> list[Any]:
    return [*model.variables, *(model.optimizer.variables if model.optimizer is not None else ())]


def _decoded_model(config: Mapping[str, Any], values: Sequence[np.ndarray], function: Any) -> Any:
    from pipeline.training.process import import_keras

    import_keras()
    import keras

    try:
        model = keras.saving.deserialize_keras_object(
            dict(config), custom_objects=_own_objects(function), safe_mode=True
        )
        if model.optimizer is not None and len(_variables(model)) < len(values):
            model.optimizer.build(model.trainable_variables)
    except Exception as error:
        raise ModelError(
            f"The Keras model of a saved state cannot be rebuilt: {type(error).__name__}: "
            f"{' '.join(str(error).split())} Register its classes with keras.saving.register_keras_serializable, and "
            "give them get_config; or yield the arrays of its weights and of its optimiser's variables."
        ) from error
    variables = _variables(model)
    if [tuple(each.shape) for each in variables] != [array.shape for array in values]:
        raise ModelError(
            f"The Keras model of a saved state has {len(values)} variables, and {len(variables)} after it was rebuilt "
            "from its config, or other shapes: its get_config leaves something out."
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


def _decoded_files(tree: Mapping[str, Any], arrays: Sequence[np.ndarray], parent: Path) -> Path:
    if "file" in tree:
        name, place = tree["file"]
        target = _within(parent, name)
        target.write_bytes(arrays[place].tobytes())
        return target
    root = _within(parent, tree["name"] or "state")
    root.mkdir(parents=True)
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


# Files that others can read.


def write_state(state: Any, folder: Path) -> list[Path]:
    """Write a state into a folder.

    A Keras model becomes model.keras, a folder or a file becomes files/. Any other state becomes state.json: there an
    array is `{"array": NAME}`, the name of the array in arrays.npz, and a model or a folder within the state is
    `{"path": NAME}`, a name in files/.
    """
    files = folder / _FILES
    for name in (_STATE, _ARRAYS, _MODEL):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(files, ignore_errors=True)
    if is_model(state):
        state.save(folder / _MODEL)
    elif isinstance(state, Path):
        _copy(state, files)
    else:
        arrays: dict[str, np.ndarray] = {}
        shown = _as_json(state, "", arrays, files)
        (folder / _STATE).write_text(json.dumps(shown, indent=2) + "\n", encoding="utf-8")
        if arrays:
            np.savez(folder / _ARRAYS, **arrays)  # type: ignore[arg-type]
    return [folder / name for name in (_MODEL, _STATE, _ARRAYS, _FILES) if (folder / name).exists()]


def _as_json(value: Any, name: str, arrays: dict[str, np.ndarray], files: Path) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _as_json(each, f"{name}.{key}".lstrip("."), arrays, files) for key, each in value.items()}
    if isinstance(value, set | frozenset):
        value = sorted(value, key=repr)
    if isinstance(value, list | tuple):
        return [_as_json(each, f"{name}.{place}".lstrip("."), arrays, files) for place, each in enumerate(value)]
    name = name or "state"
    if isinstance(value, bytes):
        value = np.frombuffer(value, np.uint8)
    if isinstance(value, np.ndarray | np.generic):
        while name in arrays:
            name += "_"
        arrays[name] = np.asarray(value)
        return {"array": name}
    if not (is_model(value) or isinstance(value, Path)):
        return value
    name = "".join(char if char.isalnum() or char in "-_." else "_" for char in name)
    files.mkdir(exist_ok=True)
    if isinstance(value, Path):
        _copy(value, files / name)
        return {"path": name}
    value.save(files / f"{name}.keras")
    return {"path": f"{name}.keras"}


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.mkdir()
        shutil.copy(source, target / source.name)
