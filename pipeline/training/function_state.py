"""The state of a function as JSON values and arrays.

Nothing is pickled. Each value of the state is an object with one key that says what it is: `value` (a JSON value),
`dict` (pairs), `list`, `tuple`, `set`, `array`, `scalar` and `bytes` (positions among the arrays), `file` and `folder`
(names and positions).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pipeline.errors import DamagedFile, ModelError
from pipeline.storage.checkpoints import is_storable
from pipeline.storage.files import write_local

_COLLECTIONS: dict[str, type[Any]] = {"list": list, "tuple": tuple, "set": set}


def encoded(value: Any, arrays: list[np.ndarray], *, values_only: bool = False) -> dict[str, Any]:
    """A value as JSON values; its arrays, and its files unless it has values only, are appended to `arrays`."""
    try:
        return _encoded(value, arrays, "state", values_only)
    except RecursionError:
        raise ModelError("The state contains itself, which cannot be saved.") from None


def decoded(tree: Mapping[str, Any], arrays: Sequence[np.ndarray], *, folder: Callable[[], Path]) -> Any:
    """The value that `encoded` returned; its files are written into the folder that `folder` makes."""
    try:
        return _decoded(tree, arrays, folder)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise DamagedFile(f"A saved state cannot be read: {type(error).__name__}: {error}") from error


def _encoded(value: Any, arrays: list[np.ndarray], where: str, values_only: bool) -> dict[str, Any]:
    def inner(part: Any, place: Any) -> dict[str, Any]:
        return _encoded(part, arrays, f"{where}[{place!r}]", values_only)

    if _is_plain(value):
        return {"value": _plain(value)}
    if isinstance(value, Mapping):
        return {"dict": [[_key(key, where), inner(each, key)] for key, each in value.items()]}
    for name, kind in _COLLECTIONS.items():
        if isinstance(value, kind):
            # A set in an order that does not depend on the process.
            parts = sorted(value, key=lambda each: (type(each).__name__, repr(each))) if kind is set else value
            return {name: [inner(each, place) for place, each in enumerate(parts)]}
    if isinstance(value, bytes | bytearray):
        return {"bytes": _add(arrays, np.frombuffer(bytes(value), np.uint8))}
    if isinstance(value, Path) and not values_only:
        return _files(value, where, arrays)
    if (array := _array(value)) is not None:
        return {"scalar" if isinstance(value, np.generic) else "array": _add(arrays, array)}
    further = "" if values_only else ", and the Path of a folder or a file"
    raise ModelError(
        f"The {where} is an object of type {type(value).__name__}; a state is made of dicts, lists, tuples, sets, "
        f"numbers, text, None, arrays, bytes{further}."
    )


def _add(arrays: list[np.ndarray], array: np.ndarray) -> int:
    arrays.append(array)
    return len(arrays) - 1


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


def _decoded(tree: Mapping[str, Any], arrays: Sequence[np.ndarray], folder: Callable[[], Path]) -> Any:
    def inner(parts: Sequence[Mapping[str, Any]]) -> list[Any]:
        return [_decoded(part, arrays, folder) for part in parts]

    kind, content = next(iter(tree.items()))
    if kind == "value":
        return content
    if kind == "dict":
        return dict(zip((key for key, _ in content), inner([part for _, part in content]), strict=True))
    if kind in _COLLECTIONS:
        return _COLLECTIONS[kind](inner(content))
    if kind == "array":
        return np.array(arrays[content])
    if kind == "scalar":
        return arrays[content][()]
    if kind == "bytes":
        return arrays[content].tobytes()
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


def _decoded_files(tree: Mapping[str, Any], arrays: Sequence[np.ndarray], parent: Path) -> Path:
    single = "file" in tree
    root = parent if single else _within(parent, tree["name"] or "state")
    # Files of two folders must not mix.
    root.mkdir(parents=True, exist_ok=single)
    written = root
    for name, place in [tree["file"]] if single else tree["folder"]:
        written = _within(root, name)
        write_local(written, [arrays[place].tobytes()])
    return written if single else root


def _within(folder: Path, name: str) -> Path:
    """The path of a file within a folder: a study may come from anyone."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise ValueError(f"{name!r} is not the name of a file of a state")
    return folder / path
