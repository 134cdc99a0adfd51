"""Keras callbacks around compiled epochs, and their state, so that a resumed trial continues exactly."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from pipeline.errors import ModelError
from pipeline.training.callback_paths import shared_path, write_in_folder
from pipeline.training.callback_state import (
    ChangedAttributes,
    as_json,
    drawn_from,
    from_json,
    no_folder,
    restore_attributes,
)
from pipeline.training.function_state import decoded, encoded
from pipeline.training.internals import profiles, saved_attributes, wait_for_futures
from pipeline.training.logs import plain_logs
from pipeline.wording import did_you_mean

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
"""Attributes of Keras' stateful callbacks that a resume restores; not min_delta, whose sign would flip again."""

_SET_AGAIN = ("min_delta", "monitor_op")
"""Attributes that on_train_begin derives from their own values: restored values would be derived twice."""

_MONITORS = (keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau, keras.callbacks.ModelCheckpoint)
"""Keras' callbacks that monitor one metric; nothing is known of their subclasses."""

_TRAIN_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
_TEST_HOOKS = ("on_test_batch_begin", "on_test_batch_end")


class Callbacks:
    """The callbacks of one trial.

    A callback of the user's own keeps the attributes that change while it trains, if they are made of numbers, text,
    arrays, lists, dicts and sets, or are an object of Keras with variables. For anything else it may have
    `get_state()`, which returns such values, and `set_state(state)`, called after on_train_begin.
    """

    def __init__(
        self,
        callbacks: Sequence[keras.callbacks.Callback],
        model: Any,
        *,
        epochs: int,
        steps: int | None,
        validates: Callable[[int], bool] = lambda _epoch: True,
    ) -> None:
        kept = [callback for callback in callbacks if not isinstance(callback, keras.callbacks.ProgbarLogger)]
        for callback in kept:
            if type(callback).on_train_begin is keras.callbacks.BackupAndRestore.on_train_begin:
                # Its backup may be newer or older than the checkpoint from which the trial resumes.
                callback.on_train_begin = _nothing
        write_in_folder(kept)
        self.list = keras.callbacks.CallbackList(
            kept, add_history=True, model=model, epochs=epochs, steps=steps, verbose=0
        )
        self._model, self._validates = model, validates
        self._begun = self._ended = False
        self._logs: dict[str, Any] | None = None
        self._attributes: dict[int, ChangedAttributes] = {}
        self.per_train_batch = any(_has_hooks(callback, _TRAIN_HOOKS) for callback in self.list.callbacks)
        self.per_test_batch = any(_has_hooks(callback, _TEST_HOOKS) for callback in self.list.callbacks)
        model.stop_training = False

    @property
    def batch_hook_callback(self) -> str | None:
        """The class name of the first callback with batch hooks; None if there is none."""
        hooks = (*_TRAIN_HOOKS, *_TEST_HOOKS)
        return next((type(each).__name__ for each in self.list.callbacks if _has_hooks(each, hooks)), None)

    def shared(self, names: Collection[str]) -> str | None:
        """A path that all trials would write to, in words; None if there is none."""
        return shared_path(self.list.callbacks, names)

    @property
    def stopped(self) -> bool:
        """Whether a callback has ended the training."""
        return bool(self._model.stop_training)

    def begin(self, *, resumed: bool = False) -> None:
        """Call on_train_begin, unless that has happened."""
        if self._begun:
            return
        self._begun = True
        if self._ended:
            # As each call of fit does: TensorBoard opens its files again, which on_train_end has closed.
            self.list.set_model(self._model)
        with _continued_logs(self.list.callbacks if resumed else []):
            self.list.on_train_begin()
        for place, callback in enumerate(self.list.callbacks):
            if place not in self._attributes and _has_unknown_state(callback):
                self._attributes[place] = ChangedAttributes(callback, (*_names(callback), *_SET_AGAIN))

    def epoch_end(self, index: int, logs: Mapping[str, Any]) -> dict[str, Any]:
        """Call on_epoch_end of each callback."""
        self._logs = plain_logs(logs)
        wait_for_futures(self.list)
        # One by one: CallbackList would hand its callbacks a copy.
        for place, callback in enumerate(self.list.callbacks):
            first = self._is_first(index, callback)
            if first and all(_is_of_keras(each) for each in self.list.callbacks[:place]):
                # A user's callback may add anything to the logs at any time.
                _refuse_unknown_metric(callback, self._logs)
            callback.on_epoch_end(index, self._logs)
        return self._logs

    def _is_first(self, index: int, callback: Any) -> bool:
        """Whether an epoch is the first one that has the kind of metric which a callback monitors."""
        if not str(getattr(callback, "monitor", "")).startswith("val_"):
            return index == 0
        return self._validates(index + 1) and not any(self._validates(earlier + 1) for earlier in range(index))

    def end(self) -> None:
        """Call on_train_end."""
        if self._begun:
            self._begun, self._ended = False, True
            self.list.on_train_end(self._logs)

    def state(self) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
        """Every callback's state: JSON values, and the arrays that they refer to by number."""
        arrays: list[np.ndarray] = []
        states = []
        for place, callback in enumerate(self.list.callbacks):
            values = saved_attributes(callback, _names(callback))
            entry = {"callback": type(callback).__name__, "values": as_json(values, arrays)}
            if _has_state(callback):
                where = f"state of the callback {type(callback).__name__}"
                entry["state"] = encoded(callback.get_state(), arrays, where=where, values_only=True)
            elif place in self._attributes:
                entry["attributes"] = self._attributes[place].save(arrays)
            states.append(entry)
        return states, arrays

    @property
    def unsaved_reason(self) -> str | None:
        """Which callback keeps a state that no checkpoint holds, in words; None if none is known to do so."""
        for place, callback in enumerate(self.list.callbacks):
            if hasattr(callback, "get_state"):
                continue
            if (kind := drawn_from(callback)) is not None:
                return (
                    f"its callback {type(callback).__name__} draws from its own {kind}, which is not saved; give it "
                    "get_state() and set_state(state), or seed the draw with the epoch"
                )
            unsaved = self._attributes[place].unsaved if place in self._attributes else {}
            for attribute, kind in unsaved.items():
                return (
                    f"its callback {type(callback).__name__} has changed its attribute {attribute}, an object of type "
                    f"{kind}, which is not saved; give it get_state() and set_state(state)"
                )
        return None

    def restore(self, states: Sequence[Mapping[str, Any]], arrays: Sequence[np.ndarray]) -> None:
        """Restore a saved state that `begin` has reset."""
        # Callbacks that only one config has start without state; the others are matched by class, in order.
        waiting = list(states)
        for callback in self.list.callbacks:
            entry = next((state for state in waiting if state["callback"] == type(callback).__name__), None)
            if entry is None:
                continue
            waiting.remove(entry)
            for name, value in from_json(entry["values"], arrays).items():
                setattr(callback, name, value)
            if "state" in entry:
                callback.set_state(decoded(entry["state"], arrays, folder=no_folder))
            elif "own" in entry:  # of an older tunepipe
                callback.set_state(from_json(entry["own"], arrays))
            elif "attributes" in entry:
                restore_attributes(callback, entry["attributes"], arrays)


def _has_state(callback: Any) -> bool:
    return hasattr(callback, "get_state") and hasattr(callback, "set_state")


def _has_unknown_state(callback: Any) -> bool:
    """Whether nothing is known of a callback's state: it is the user's own, and has no get_state and set_state."""
    return not _is_of_keras(callback) and not _has_state(callback)


@contextlib.contextmanager
def _continued_logs(callbacks: Sequence[Any]) -> Iterator[None]:
    """Within the context, each CSVLogger among callbacks that begin continues its file."""
    overwriting = [each for each in callbacks if isinstance(each, keras.callbacks.CSVLogger) and not each.append]
    for callback in overwriting:
        callback.append = True
    try:
        yield
    finally:
        for callback in overwriting:
            callback.append = False


def _nothing(logs: Any = None) -> None:
    """Replaces a hook that must do nothing."""


def _refuse_unknown_metric(callback: Any, logs: Mapping[str, Any]) -> None:
    """Raise for a metric that is missing: Keras at most warns, and the callback then never acts."""
    kind, monitor = type(callback), getattr(callback, "monitor", None)
    if kind not in _MONITORS or monitor in logs or not getattr(callback, "save_best_only", True):
        return
    raise ModelError(
        f"The callback {kind.__name__} monitors {monitor!r}, which is not a metric of the model. Available: "
        f"{', '.join(logs)}.{did_you_mean(str(monitor), logs)} Name one of them as its monitor, or compile the model "
        "with that metric."
    )


def _is_of_keras(callback: Any) -> bool:
    return type(callback).__module__.startswith("keras.")


def _names(callback: Any) -> tuple[str, ...]:
    return tuple(name for kind in type(callback).__mro__ for name in _STATE.get(kind, ()))


def _has_hooks(callback: keras.callbacks.Callback, hooks: Sequence[str]) -> bool:
    overridden = any(
        hook in vars(callback) or getattr(type(callback), hook) is not getattr(keras.callbacks.Callback, hook)
        for hook in hooks
    )
    return overridden and not _has_idle_hooks(callback)


def _has_idle_hooks(callback: Any) -> bool:
    """Whether a callback of Keras does nothing in its batch hooks at its settings."""
    kind = type(callback)
    if kind in (keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore):
        return bool(callback.save_freq == "epoch")
    if kind is keras.callbacks.TensorBoard:
        return bool(callback.update_freq == "epoch" and not profiles(callback))
    # The compiled loop itself ends at a loss that is not finite.
    return kind is keras.callbacks.TerminateOnNaN
