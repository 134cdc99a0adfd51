"""Keras callbacks around compiled epochs, and their state, so that a trial goes on as if it had never stopped."""

import contextlib
import difflib
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras.src.utils.python_utils import pythonify_logs

from pipeline.errors import ModelError

__all__ = ["Callbacks", "Relay"]

_STATE: dict[type, tuple[str, ...]] = {
    keras.callbacks.EarlyStopping: ("best", "wait", "best_epoch", "best_weights", "stopped_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("best", "wait", "cooldown_counter"),
    keras.callbacks.ModelCheckpoint: (
        "best",
        "_batches_seen_since_last_saving",
        "_last_batch_seen",
        "_current_epoch",
    ),
    keras.callbacks.SwapEMAWeights: ("_ema_weights_in_model",),
    keras.callbacks.History: ("history", "epoch"),
}
"""What each stateful callback of Keras has to get back. Not min_delta or monitor_op: their sign would flip again."""

_MONITORS = (keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau, keras.callbacks.ModelCheckpoint)
"""Callbacks of Keras that look at one metric. Of a class that is made from one of them nothing is known."""

_TRAIN_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
_TEST_HOOKS = ("on_test_batch_begin", "on_test_batch_end")

_DRAWN_FROM = (np.random.Generator, np.random.RandomState, random.Random, Iterator)
"""What changes with each use, and is no number or text."""


class Callbacks:
    """The callbacks of one trial.

    A callback of the user's own keeps its state over a resume if it has `get_state()`, which returns JSON values and
    NumPy arrays in lists and dicts, and `set_state(state)`, called after on_train_begin.

    Args:
        callbacks: What the job's `callbacks(config)` returned.
        model: The model in training.
        epochs: A trial's maximum, in epochs.
        steps: Steps in an epoch.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback], model: Any, *, epochs: int, steps: int) -> None:
        kept = [callback for callback in callbacks if not isinstance(callback, keras.callbacks.ProgbarLogger)]
        self.list = keras.callbacks.CallbackList(
            kept, add_history=True, model=model, epochs=epochs, steps=steps, verbose=0
        )
        self._model = model
        self._begun = False
        self._logs: dict[str, Any] | None = None
        self._restored: tuple[Sequence[Mapping[str, Any]], Sequence[np.ndarray]] | None = None
        self.per_train_batch = any(_listens(callback, _TRAIN_HOOKS) for callback in self.list.callbacks)
        self.per_test_batch = any(_listens(callback, _TEST_HOOKS) for callback in self.list.callbacks)
        model.stop_training = False

    @property
    def listening(self) -> str | None:
        """The first callback that wants to hear of each batch, by its class's name; None where none does."""
        hooks = (*_TRAIN_HOOKS, *_TEST_HOOKS)
        return next((type(each).__name__ for each in self.list.callbacks if _listens(each, hooks)), None)

    @property
    def stopped(self) -> bool:
        """Whether a callback has ended the training."""
        return bool(self._model.stop_training)

    def begin(self) -> None:
        """Before the first epoch here: on_train_begin, and then the state that it has reset."""
        if self._begun:
            return
        self._begun = True
        self.list.on_train_begin()
        if self._restored is not None:
            self._put_back(*self._restored)
            self._restored = None

    def epoch_end(self, index: int, logs: Mapping[str, Any]) -> dict[str, Any]:
        """After an epoch, numbered from 0.

        Returns:
            The logs with what callbacks added, as ReduceLROnPlateau adds the learning rate.

        Raises:
            ModelError: A callback monitors a metric that is not there.
        """
        self._logs = dict(pythonify_logs(logs))
        self.list._flush_futures()
        # One by one: CallbackList would hand its callbacks a copy.
        for place, callback in enumerate(self.list.callbacks):
            if index == 0 and all(_is_of_keras(each) for each in self.list.callbacks[:place]):
                # What a callback of the user's adds to the logs, and when, is theirs to say.
                _refuse_unknown_metric(callback, self._logs)
            callback.on_epoch_end(index, self._logs)
        return self._logs

    def end(self) -> None:
        """Training is over."""
        if self._begun:
            self._begun = False
            self.list.on_train_end(self._logs)

    def state(self) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
        """Every callback's state: JSON values, and the arrays that they refer to by number."""
        if self._restored is not None:
            return [dict(state) for state in self._restored[0]], list(self._restored[1])
        arrays: list[np.ndarray] = []
        states = []
        for callback in self.list.callbacks:
            values = {name: vars(callback)[name] for name in _names(callback) if name in vars(callback)}
            entry = {"callback": type(callback).__name__, "values": _as_json(values, arrays)}
            if hasattr(callback, "get_state") and hasattr(callback, "set_state"):
                entry["own"] = _as_json(callback.get_state(), arrays)
            states.append(entry)
        return states, arrays

    @property
    def forgetful(self) -> str | None:
        """Which callback draws from something that no checkpoint holds, in words; None where none does."""
        for callback in self.list.callbacks:
            if hasattr(callback, "get_state"):
                continue
            found = [type(value).__name__ for value in _reached(callback) if isinstance(value, _DRAWN_FROM)]
            if found:
                name = type(callback).__name__
                return (
                    f"its callback {name} draws from a {found[0]} of its own, which is not saved; give it get_state() "
                    "and set_state(state), or seed the draw with the epoch"
                )
        return None

    def restore(self, states: Sequence[Mapping[str, Any]], arrays: Sequence[np.ndarray]) -> None:
        """Take over what `state` returned, once training begins."""
        self._restored = (states, arrays)
        if self._begun:
            self._put_back(states, arrays)
            self._restored = None

    def _put_back(self, states: Sequence[Mapping[str, Any]], arrays: Sequence[np.ndarray]) -> None:
        # Callbacks that the config brought or took away begin anew; the others are matched by kind, in their order.
        waiting = list(states)
        for callback in self.list.callbacks:
            entry = next((state for state in waiting if state["callback"] == type(callback).__name__), None)
            if entry is None:
                continue
            waiting.remove(entry)
            for name, value in _from_json(entry["values"], arrays).items():
                setattr(callback, name, value)
            if "own" in entry:
                callback.set_state(_from_json(entry["own"], arrays))


class Relay(keras.callbacks.CallbackList):  # type: ignore[misc]
    """Lets Keras' fit drive callbacks for one epoch, without telling them that training begins and ends.

    Args:
        callbacks: The trial's callbacks.
    """

    def __init__(self, callbacks: Callbacks) -> None:
        super().__init__(callbacks.list.callbacks)
        self.params = callbacks.list.params
        # The threads for it are made when training begins, which this does not hear of.
        self._async_train = self._async_test = False
        self.on_epoch: dict[str, Any] = {}
        self._callbacks = callbacks

    def on_train_begin(self, logs: Any = None) -> None:
        """Keras' fit says so for every epoch."""

    def on_train_end(self, logs: Any = None) -> None:
        """Keras' fit says so for every epoch."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep what the epoch has come to."""
        self.on_epoch = self._callbacks.epoch_end(epoch, logs or {})


def _refuse_unknown_metric(callback: Any, logs: Mapping[str, Any]) -> None:
    """Keras only warns, if that, and never stops, or stops for another reason than it says."""
    kind, monitor = type(callback), getattr(callback, "monitor", None)
    if kind not in _MONITORS or monitor in logs or not getattr(callback, "save_best_only", True):
        return
    close = difflib.get_close_matches(str(monitor), list(logs), n=1)
    meant = f"; did you mean {close[0]}?" if close else "."
    raise ModelError(
        f"The callback {kind.__name__} monitors {monitor!r}, which is no metric of the model. There are "
        f"{', '.join(logs)}{meant} Name one of them as its monitor, or compile the model with that metric."
    )


def _is_of_keras(callback: Any) -> bool:
    return type(callback).__module__.startswith("keras.")


def _names(callback: Any) -> tuple[str, ...]:
    return tuple(name for kind in type(callback).__mro__ for name in _STATE.get(kind, ()))


def _listens(callback: keras.callbacks.Callback, hooks: Sequence[str]) -> bool:
    heard = any(not getattr(getattr(callback, hook), "_is_default", False) for hook in hooks)
    return heard and not _is_quiet(callback)


def _is_quiet(callback: Any) -> bool:
    """Keras' own callbacks that have batch hooks but do nothing in them at the settings given."""
    kind = type(callback)
    if kind in (keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore):
        return bool(callback.save_freq == "epoch")
    if kind is keras.callbacks.TensorBoard:
        return bool(callback.update_freq == "epoch" and not callback._profiler_started and not callback._start_batch)
    # The compiled loop itself ends at a loss that is not finite.
    return kind is keras.callbacks.TerminateOnNaN


def _as_json(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        arrays.append(np.array(value))
        return {"array": len(arrays) - 1}
    if isinstance(value, list | tuple):
        return [_as_json(item, arrays) for item in value]
    if isinstance(value, Mapping):
        return {"dict": {str(key): _as_json(item, arrays) for key, item in value.items()}}
    if hasattr(value, "numpy"):
        return _as_json(value.numpy(), arrays)
    return value.item() if isinstance(value, np.generic) else value


def _from_json(value: Any, arrays: Sequence[np.ndarray]) -> Any:
    if isinstance(value, dict) and "array" in value:
        return arrays[value["array"]]
    if isinstance(value, dict):
        return {key: _from_json(item, arrays) for key, item in value["dict"].items()}
    if isinstance(value, list):
        return [_from_json(item, arrays) for item in value]
    return value


def _reached(callback: keras.callbacks.Callback) -> Iterator[Any]:
    """What a callback's own attributes, and the functions that it is made of, hold."""
    own = vars(callback).values()
    kind = type(callback)
    methods = () if kind.__module__.startswith("keras.") else vars(kind).values()
    yield from own
    for function in (*own, *methods):
        for cell in getattr(function, "__closure__", None) or ():
            with contextlib.suppress(ValueError):  # an empty cell
                yield cell.cell_contents
