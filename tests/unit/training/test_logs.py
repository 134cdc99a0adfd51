"""Logs of an epoch, as callbacks get them."""

import keras
import numpy as np
import tensorflow as tf

from pipeline.training.logs import plain_logs, results_of


def test_logs_are_flat_sorted_and_plain() -> None:
    """In logs, tensors of one number become floats, nested logs are flattened, and other values are unchanged."""
    logs = plain_logs(
        {"b": tf.constant(2.0), "a": {"z": np.float32(1.5)}, "text": "x", "many": tf.constant([1.0, 2.0])}
    )
    assert list(logs) == ["z", "b", "many", "text"]
    assert (logs["b"], logs["z"], logs["text"]) == (2.0, 1.5, "x")
    assert type(logs["b"]) is float
    assert isinstance(logs["many"], np.ndarray)
    assert plain_logs(None) == {}


def test_a_custom_step_keeps_its_logs() -> None:
    """Logs with other names than the model's metrics are left as they are."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    assert results_of(model, {"mine": 1.0}) == {"mine": 1.0}
    assert set(results_of(model, {"loss": 0.0})) == {"loss"}
