"""Keras callbacks around compiled epochs, and their state, so that a trial goes on as if it had never stopped."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

__all__ = ["Callbacks"]

_STATE = {
    "EarlyStopping": ("best", "wait", "best_epoch", "best_weights", "stopped_epoch"),
    "ReduceLROnPlateau": ("best", "wait", "cooldown_counter"),
    "ModelCheckpoint": ("best", "_batches_seen_since_last_saving", "_last_batch_seen", "_current_epoch"),
    "SwapEMAWeights": ("_ema_weights_in_model",),
    "History": ("history", "epoch"),
}
"""What each stateful callback of Keras has to get back. Not min_delta or monitor_op: their sign would flip again."""

_BATCH_HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")


class Callbacks:
    """The callbacks of one trial.

    A callback of the user's own keeps its state over a resume if it has `get_state()`, which returns JSON values, and
    `set_state(state)`.

    Args:
        callbacks: What the job's `callbacks(config)` returned.
        model: The model in training.
        epochs: A trial's maximum, in epochs.
        steps: Steps in an epoch.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback], model: Any, *, epochs: int, steps: int) -> None:
        self._list = keras.callbacks.CallbackList(
            list(callbacks), add_history=True, model=model, epochs=epochs, steps=steps, verbose=0
        )
        self._model = model
        self._begun = False
        self._last_logs: Mapping[str, float] | None = None
        self._restored: tuple[Mapping[str, Any], list[np.ndarray]] | None = None
        model.stop_training = False

    @property
    def per_batch(self) -> bool:
        """Whether a callback wants to hear of every batch."""
        return any(
            not getattr(getattr(type(callback), hook), "_is_default", False)
            for callback in self._list.callbacks
            for hook in _BATCH_HOOKS
            if not _is_quiet(callback, hook)
        )

    @property
    def stopped(self) -> bool:
        """Whether a callback has ended the training."""
        return bool(self._model.stop_training)

    def epoch_begin(self, index: int) -> None:
        """Before an epoch, numbered from 0."""
        if not self._begun:
            self._list.on_train_begin()
            self._begun = True
            if self._restored is not None:
                self._put_back(*self._restored)
        self._list.on_epoch_begin(index)

    def batch_begin(self, index: int) -> None:
        """Before a step, numbered from 0."""
        self._list.on_train_batch_begin(index)

    def batch_end(self, index: int, logs: Mapping[str, float]) -> None:
        """After a step."""
        self._list.on_train_batch_end(index, logs)

    def test_begin(self) -> None:
        """Before validation."""
        self._list.on_test_begin()

    def test_end(self, logs: Mapping[str, float]) -> None:
        """After validation."""
        self._list.on_test_end(logs)

    def epoch_end(self, index: int, logs: dict[str, float]) -> None:
        """After an epoch; callbacks may add to the logs, as ReduceLROnPlateau adds the learning rate."""
        self._list.on_epoch_end(index, logs)
        self._last_logs = logs

    def close(self) -> None:
        """Training is over."""
        if self._begun:
            self._list.on_train_end(self._last_logs)

    def state(self) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
        """Every callback's state: JSON values, and the arrays that they refer to by number."""
        arrays: list[np.ndarray] = []
        states = []
        for callback in self._list.callbacks:
            state = {name: _as_json(vars(callback)[name], arrays) for name in _names(callback) if name in vars(callback)}
            if hasattr(callback, "get_state"):
                state["own"] = callback.get_state()
            states.append({"callback": type(callback).__name__, "state": state})
        return states, arrays

    def restore(self, states: Sequence[Mapping[str, Any]], arrays: list[np.ndarray]) -> None:
        """Take over what `state` returned; on_train_begin resets callbacks, so it is put back after that."""
        self._restored = ({"states": states}, arrays)

    def _put_back(self, saved: Mapping[str, Any], arrays: list[np.ndarray]) -> None:
        for callback, entry in zip(self._list.callbacks, saved["states"], strict=True):
            for name in _names(callback):
                if name in entry["state"]:
                    setattr(callback, name, _from_json(entry["state"][name], arrays))
            if "own" in entry["state"] and hasattr(callback, "set_state"):
                callback.set_state(entry["state"]["own"])


def _names(callback: Any) -> tuple[str, ...]:
    return tuple(name for kind in type(callback).__mro__ for name in _STATE.get(kind.__name__, ()))


def _is_quiet(callback: Any, hook: str) -> bool:
    """Keras' own callbacks that have a batch hook but do nothing in it at the settings given."""
    if isinstance(callback, keras.callbacks.ModelCheckpoint):
        return callback.save_freq == "epoch"
    if isinstance(callback, keras.callbacks.TerminateOnNaN):
        # The compiled loop itself ends at a loss that is not finite.
        return True
    if isinstance(callback, keras.callbacks.TensorBoard):
        return callback.update_freq == "epoch"
    return isinstance(callback, keras.callbacks.SwapEMAWeights) and callback.swap_on_epoch


def _as_json(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, list | tuple):
        return [_as_json(item, arrays) for item in value]
    if isinstance(value, dict):
        return {"dict": {str(key): _as_json(item, arrays) for key, item in value.items()}}
    return value.item() if isinstance(value, np.generic) else value


def _from_json(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, dict) and "array" in value:
        return arrays[value["array"]]
    if isinstance(value, dict):
        return {key: _from_json(item, arrays) for key, item in value["dict"].items()}
    if isinstance(value, list):
        return [_from_json(item, arrays) for item in value]
    return value
