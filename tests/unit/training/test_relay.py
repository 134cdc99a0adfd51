"""The callbacks of a trial within calls of Keras' fit."""

from typing import Any

import keras
import numpy as np

from pipeline.training.callbacks import Callbacks
from pipeline.training.relay import Relay


class Recorded(keras.callbacks.Callback):
    """Records its hooks."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Record it."""
        self.calls.append("begin")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Record it, and add a metric."""
        self.calls.append(f"epoch {epoch}")
        logs["own"] = 1.0

    def on_train_end(self, logs: Any = None) -> None:
        """Record it."""
        self.calls.append("end")


def test_calls_of_fit_are_one_training() -> None:
    """Callbacks within several calls of fit hear of each epoch, but not of the beginning and the end of each call."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    recorded = Recorded()
    callbacks = Callbacks([recorded], model, epochs=2, steps=1)
    callbacks.begin()
    for epoch in range(2):
        relay = Relay(callbacks)
        model.fit(np.ones((1, 1)), np.ones((1, 1)), epochs=epoch + 1, initial_epoch=epoch, callbacks=relay, verbose=0)
        assert sorted(relay.on_epoch) == ["loss", "own"]
    callbacks.end()
    assert recorded.calls == ["begin", "epoch 0", "epoch 1", "end"]
