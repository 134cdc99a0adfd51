"""Keras callbacks around epochs, and their state, so that a resumed trial continues exactly."""

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline.errors import DamagedFile, ModelError
from pipeline.study.context import current
from pipeline.training.function import decoded, encoded
from pipeline.training.internals import profiles, without_threads

_SET_AGAIN = frozenset({"_model", "model", "params", "min_delta", "monitor_op"})
"""Attributes that Keras sets when training begins, some of them derived from their own values."""

_WRITING = (keras.callbacks.CSVLogger, keras.callbacks.ModelCheckpoint, keras.callbacks.TensorBoard)
_LEFT_OUT = (keras.callbacks.ProgbarLogger, keras.callbacks.BackupAndRestore)
"""A trial prints no progress, and has its own, exact checkpoint."""

_BATCH_HOOKS = (
    *("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end"),
    *("on_test_batch_begin", "on_test_batch_end"),
)


class Callbacks:
    """The callbacks of one trial.

    A callback keeps the attributes that change while it trains, if they are made of numbers, text, arrays, lists,
    dicts and sets.
    """

    def __init__(
        self,
        callbacks: Sequence[keras.callbacks.Callback],
        model: Any,
        *,
        epochs: int,
        steps: int | None,
    ) -> None:
        used = [callback for callback in callbacks if not isinstance(callback, _LEFT_OUT)]
        _write_in_folder(used)
        for callback in used:
            if isinstance(callback, keras.callbacks.CSVLogger):
                # The file of a trial that continues has the epochs before.
                callback.append = True
        self.list = keras.callbacks.CallbackList(
            used, add_history=True, model=model, epochs=epochs, steps=steps, verbose=0
        )
        without_threads(self.list)
        self._model = model
        self._begun = self._ended = False
        self._logs: dict[str, Any] | None = None
        self._first: dict[int, dict[str, Any]] = {}
        """The attributes of callbacks when training began, by the callback's place."""
        model.stop_training = False

    @property
    def stopped(self) -> bool:
        return bool(self._model.stop_training)

    def stop(self) -> None:
        self._model.stop_training = True

    def begin(self) -> None:
        """Call on_train_begin, unless that has happened."""
        if self._begun:
            return
        self._begun = True
        if self._ended:
            # As each call of fit does: TensorBoard opens its files again, which on_train_end has closed.
            self.list.set_model(self._model)
        self.list.on_train_begin()
        for place, callback in enumerate(self.list.callbacks):
            self._first.setdefault(place, _contents(callback))

    def epoch_end(self, index: int, logs: Mapping[str, Any]) -> dict[str, Any]:
        self._logs = plain_logs(logs)
        # One by one: CallbackList would hand its callbacks a copy.
        for callback in self.list.callbacks:
            callback.on_epoch_end(index, self._logs)
        return self._logs

    def end(self) -> None:
        if self._begun:
            self._begun, self._ended = False, True
            self.list.on_train_end(self._logs)

    def state(self) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
        arrays: list[np.ndarray] = []
        states = []
        for place, callback in enumerate(self.list.callbacks):
            name, first = type(callback).__name__, self._first.get(place, {})
            # What has not changed comes from the callback's code and the trial's config; a trial that takes over
            # another's state keeps its own.
            changed = [key for key, content in _contents(callback).items() if content != first.get(key)]
            values = {key: vars(callback)[key] for key in changed}
            states.append({"callback": name, "values": encoded(values, arrays, values_only=True)})
        return states, arrays

    def restore(self, states: Sequence[Mapping[str, Any]], arrays: Sequence[np.ndarray]) -> None:
        """Restore a saved state that `begin` has reset."""
        # Callbacks that only one config has start without state; the others are matched by class, in order.
        waiting = list(states)
        for callback in self.list.callbacks:
            entry = next((state for state in waiting if state["callback"] == type(callback).__name__), None)
            if entry is None:
                continue
            waiting.remove(entry)
            values = decoded(entry["values"], arrays, folder=_no_folder)
            if not isinstance(values, dict):
                raise DamagedFile("The saved attributes of a callback cannot be read: they are not a dict of names.")
            for name, value in values.items():
                _restore(callback, name, value)


class Relay(keras.callbacks.CallbackList):  # type: ignore[misc]
    """The callbacks of a trial for one epoch of Keras' fit, which is called once for each."""

    def __init__(self, callbacks: Callbacks) -> None:
        super().__init__(callbacks.list.callbacks)
        self.params = callbacks.list.params
        without_threads(self)
        self.logs: dict[str, Any] = {}
        self.seconds_evaluate = self._started = 0.0
        self._callbacks, self._stopped = callbacks, callbacks.stopped

    def on_train_begin(self, logs: Any = None) -> None:
        """Keep what on_train_begin has set, which fit resets."""
        if self._stopped:
            self._callbacks.stop()

    def on_train_end(self, logs: Any = None) -> None:
        """Do nothing."""

    def on_test_begin(self, logs: Any = None) -> None:
        self._started = time.perf_counter()
        super().on_test_begin(logs)

    def on_test_end(self, logs: Any = None) -> None:
        super().on_test_end(logs)
        self.seconds_evaluate = time.perf_counter() - self._started

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.logs = self._callbacks.epoch_end(epoch, logs or {})


def plain_logs(logs: Mapping[str, Any] | None) -> dict[str, Any]:
    """The logs as Keras gives them to callbacks: flat, sorted by name, with numbers as Python numbers."""
    plain: dict[str, Any] = {}
    for name, value in sorted((logs or {}).items()):
        if isinstance(value, Mapping):
            plain.update(plain_logs(value))
            continue
        try:
            plain[name] = float(value.numpy() if hasattr(value, "numpy") else value)
        except Exception:  # a tensor of several elements, text, an object of the user's
            plain[name] = value.numpy() if hasattr(value, "numpy") else value
    return plain


def _contents(callback: Any) -> dict[str, Any]:
    """The attributes of a callback that can be saved, in a form that can be compared."""
    contents: dict[str, Any] = {}
    if isinstance(callback, keras.callbacks.TensorBoard):
        return contents
    for name, value in vars(callback).items():
        if name in _SET_AGAIN or callable(value):
            continue
        arrays: list[np.ndarray] = []
        with contextlib.suppress(ModelError):
            tree = encoded(value, arrays, values_only=True)
            contents[name] = repr(tree), [(str(array.dtype), array.shape, array.tobytes()) for array in arrays]
    return contents


def _restore(callback: Any, name: str, value: Any) -> None:
    """Set an attribute; a list, a dict, a set or a variable in place, because others may refer to it."""
    held = vars(callback).get(name)
    if hasattr(held, "assign") and isinstance(value, np.ndarray):
        held.assign(value)
    elif (isinstance(held, dict) and isinstance(value, dict)) or (isinstance(held, set) and isinstance(value, set)):
        # A defaultdict was saved as a dict.
        held.clear()
        held.update(value)
    elif isinstance(held, list) and isinstance(value, list):
        held[:] = value
    else:
        setattr(callback, name, value)


def _no_folder() -> Path:
    raise ValueError("an attribute holds no files")


def with_batch_hooks(callbacks: Sequence[Any]) -> str | None:
    """The class name of the first callback that is called for each batch; None if there is none."""
    for callback in callbacks:
        overridden = any(
            hook in vars(callback) or getattr(type(callback), hook) is not getattr(keras.callbacks.Callback, hook)
            for hook in _BATCH_HOOKS
        )
        if overridden and not isinstance(callback, _LEFT_OUT) and not _has_idle_hooks(callback):
            return type(callback).__name__
    return None


def may_change_model(callbacks: Sequence[Any]) -> bool:
    """Whether a callback of the user's own is called before the first step, after which fit traces the model."""
    hooks = ("set_model", "on_train_begin", "on_epoch_begin")
    return any(
        hook in vars(callback) or not getattr(type(callback), hook).__module__.startswith("keras.")
        for callback in callbacks
        for hook in hooks
    )


def _has_idle_hooks(callback: Any) -> bool:
    """Whether a callback of Keras does nothing in its batch hooks at its settings."""
    kind = type(callback)
    if kind is keras.callbacks.ModelCheckpoint:
        return bool(callback.save_freq == "epoch")
    if kind is keras.callbacks.TensorBoard:
        return bool(callback.update_freq == "epoch" and not profiles(callback))
    # The compiled loop itself ends at a loss that is not finite.
    return kind is keras.callbacks.TerminateOnNaN


def _write_in_folder(callbacks: Sequence[Any]) -> None:
    """Let Keras' own callbacks write into the trial's folder, even if that is not the current directory."""
    own = current()
    if own is None or Path.cwd() == own.folder:
        return
    for callback in callbacks:
        for name, path in list(vars(callback).items()) if isinstance(callback, _WRITING) else ():
            says_where = name in ("filepath", "filename", "log_dir")
            if says_where and isinstance(path, str | os.PathLike) and "://" not in str(path):
                setattr(callback, name, str(own.folder / path))
