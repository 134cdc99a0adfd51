"""A canary for each private name of Keras and TensorFlow that training uses."""

import keras
import pytest
import tensorflow as tf

from pipeline.training import internals

MODEL = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
MODEL.compile("sgd", "mse", metrics=["mae"])
ROWS = tf.data.Dataset.range(4)


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (MODEL, ["_flatten_layers", "_compile_config", "_compile_metrics"]),
        (MODEL.optimizer, ["_learning_rate", "_all_reduce_sum_gradients", "finalize_variable_values"]),
        (keras.callbacks.CallbackList([]), ["_async_train", "_async_test"]),
        (keras.callbacks.TensorBoard("log"), ["_profiler_started"]),
        (ROWS.map(lambda x: x), ["_inputs", "_functions"]),
        (ROWS.shuffle(4), ["_reshuffle_each_iteration"]),
        (keras.losses.Huber(), ["_fn_kwargs"]),
    ],
)
def test_a_private_name_is_there(owner: object, names: list[str]) -> None:
    assert [name for name in names if not hasattr(owner, name)] == []


def test_names_are_reserved() -> None:
    internals.reset_names()
    internals.reserve_names(["dense_41"])
    assert keras.layers.Dense(1).name == "dense_42"
