"""Callbacks of a trial within Keras' fit, which is called once for each epoch."""

from typing import Any

import keras

from pipeline.training.callbacks import Callbacks
from pipeline.training.internals import without_threads


class Relay(keras.callbacks.CallbackList):  # type: ignore[misc]
    """Lets Keras' fit call callbacks for one epoch, without on_train_begin and on_train_end."""

    def __init__(self, callbacks: Callbacks) -> None:
        super().__init__(callbacks.list.callbacks)
        self.params = callbacks.list.params
        # Their threads are made when training begins, and this list is not called then.
        without_threads(self)
        self.on_epoch: dict[str, Any] = {}
        self._callbacks = callbacks

    def on_train_begin(self, logs: Any = None) -> None:
        """Do nothing: Keras' fit calls it for every epoch."""

    def on_train_end(self, logs: Any = None) -> None:
        """Do nothing: Keras' fit calls it for every epoch."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep the logs of the epoch."""
        self.on_epoch = self._callbacks.epoch_end(epoch, logs or {})
