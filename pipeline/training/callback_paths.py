"""Where the callbacks of Keras write: in a trial's own folder, unless a path leads out of it."""

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras

from pipeline.study.context import current

_WRITING = (
    keras.callbacks.BackupAndRestore,
    keras.callbacks.CSVLogger,
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.TensorBoard,
)
_PATHS = ("filepath", "filename", "backup_dir", "log_dir")
"""Attributes that say where these write; what BackupAndRestore derives of its own ends with `_path`."""


def shared_path(callbacks: Sequence[Any], names: Collection[str]) -> str | None:
    """A path that all trials would write to, in words; None if there is none."""
    for callback in callbacks:
        for _, path in _paths(callback):
            if _is_elsewhere(path) and not any(name in path for name in names):
                return (
                    f"{type(callback).__name__} writes to {path}, which all trials share: trials that train at the "
                    "same time overwrite each other's files there. Give it a relative path, which is in the "
                    "trial's own folder within the study."
                )
    return None


def write_in_folder(callbacks: Sequence[Any]) -> None:
    """Let Keras' own callbacks write into the trial's folder, even if that is not the current directory."""
    own = current()
    if own is None or Path.cwd() == own.folder:
        return
    for callback in callbacks:
        if isinstance(callback, _WRITING):
            for attribute, path in list(_paths(callback)):
                setattr(callback, attribute, str(own.folder / path))


def _paths(callback: Any) -> Iterator[tuple[str, str]]:
    """Attributes of a callback that hold a path of this machine, and these paths."""
    of_keras = isinstance(callback, _WRITING)
    for attribute, path in vars(callback).items():
        says_where = attribute in _PATHS or (of_keras and attribute.endswith("_path"))
        if says_where and isinstance(path, str | os.PathLike) and "://" not in str(path):
            yield attribute, str(path)


def _is_elsewhere(path: str) -> bool:
    """Whether a path leads out of the trial's folder."""
    own = current()
    folder = Path.cwd() if own is None else own.folder
    return Path(path).is_absolute() and not Path(path).resolve().is_relative_to(folder.resolve())
