"""Callbacks of Keras: their threads, their attributes, and profiling."""

from collections.abc import Sequence
from typing import Any

import keras

from pipeline.missing_names import ABSENT, warn_once


def wait_for_futures(callbacks: keras.callbacks.CallbackList) -> None:
    """Wait for hooks that a list of callbacks runs in threads."""
    flush = getattr(callbacks, "_flush_futures", None)
    if flush is not None:
        flush()
    elif getattr(callbacks, "_executor", ABSENT) is not None:
        warn_once("Keras", "CallbackList._flush_futures", "hooks of batches may run after the end of their epoch")


def without_threads(callbacks: keras.callbacks.CallbackList) -> None:
    """Let a list of callbacks run every hook in the calling thread."""
    for name in ("_async_train", "_async_test"):
        if hasattr(callbacks, name):
            setattr(callbacks, name, False)
        else:
            warn_once("Keras", f"CallbackList.{name}", "hooks of callbacks may run late, in threads of Keras' fit")


def profiles(callback: keras.callbacks.TensorBoard) -> bool:
    """Whether TensorBoard's callback profiles batches."""
    for name in ("_profiler_started", "_start_batch"):
        if not hasattr(callback, name):
            warn_once("Keras", f"TensorBoard.{name}", "each batch runs by itself, which is slower")
            return True
    return bool(callback._profiler_started or callback._start_batch)


def saved_attributes(callback: Any, names: Sequence[str]) -> dict[str, Any]:
    """The attributes of a callback of Keras' that a checkpoint holds."""
    held = vars(callback)
    for name in names:
        if name not in held:
            kind = type(callback).__name__
            warn_once("Keras", f"{kind}.{name}", f"{kind} begins again when a trial is resumed")
    return {name: held[name] for name in names if name in held}
