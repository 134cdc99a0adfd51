"""The state of a function as files that others can read: JSON with arrays in NumPy's format, Keras files, folders."""

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ModelError

STATE, ARRAYS, MODEL, FILES = "state.json", "arrays.npz", "model.keras", "files"


def is_model(state: Any) -> bool:
    """Whether a state is a Keras model."""
    return "keras" in sys.modules and isinstance(state, sys.modules["keras"].Model)


def write_state(state: Any, folder: Path) -> list[Path]:
    """Write a state into a folder.

    A Keras model becomes model.keras, a folder or a file becomes files/. Any other state becomes state.json: there an
    array is `{"array": NAME}`, the name of the array in arrays.npz, and a model or a folder within the state is
    `{"path": NAME}`, a name in files/.
    """
    _remove(folder)
    if is_model(state):
        return [_write_model(state, folder / MODEL)]
    if isinstance(state, Path):
        _copy(state, folder / FILES)
        return [folder / FILES]
    arrays: dict[str, np.ndarray] = {}
    shown = _as_json(state, (), arrays, folder / FILES)
    (folder / STATE).write_text(json.dumps(shown, indent=2) + "\n", encoding="utf-8")
    if arrays:
        np.savez(folder / ARRAYS, **arrays)  # type: ignore[arg-type]
    return [folder / name for name in (STATE, ARRAYS, FILES) if (folder / name).exists()]


def _as_json(value: Any, place: tuple[str, ...], arrays: dict[str, np.ndarray], files: Path) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _as_json(each, (*place, str(key)), arrays, files) for key, each in value.items()}
    if isinstance(value, set | frozenset):
        value = sorted(value, key=repr)
    if isinstance(value, list | tuple):
        return [_as_json(each, (*place, str(index)), arrays, files) for index, each in enumerate(value)]
    name = ".".join("".join(c if c.isalnum() or c in "-_" else "_" for c in part) for part in place) or "state"
    if isinstance(value, np.ndarray | np.generic | bytes):
        while name in arrays:
            name += "_"
        arrays[name] = np.frombuffer(value, np.uint8) if isinstance(value, bytes) else np.asarray(value)
        return {"array": name}
    if is_model(value) or isinstance(value, Path):
        name = f"{name}.keras" if is_model(value) else name
        while (files / name).exists():
            name = f"_{name}"
        files.mkdir(exist_ok=True)
        if is_model(value):
            _write_model(value, files / name)
        else:
            _copy(value, files / name)
        return {"path": name}
    return value


def _write_model(model: Any, path: Path) -> Path:
    try:
        model.save(path)
    except Exception as error:
        raise ModelError(f"The model of the state cannot be saved: {type(error).__name__}: {error}") from error
    return path


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.mkdir()
        shutil.copy(source, target / source.name)


def _remove(folder: Path) -> None:
    for name in (STATE, ARRAYS, MODEL):
        (folder / name).unlink(missing_ok=True)
    if (folder / FILES).is_dir():
        shutil.rmtree(folder / FILES)
