"""Training restores the global state of Python, NumPy, Keras and TensorFlow."""

import logging
import random

import keras
import numpy as np
import tensorflow as tf
from absl import logging as absl_logging

from pipeline.training.global_state import kept_global_state
from pipeline.training.internals import keep_additions


def draws() -> list[float]:
    """One number from each global generator."""
    return [
        random.random(),
        float(np.random.rand()),
        float(tf.random.uniform(())),
        float(keras.random.uniform(())),
    ]


def test_generators_continue_where_they_were() -> None:
    """After the context, the generators continue with the numbers that they would draw without it."""
    keras.utils.set_random_seed(3)
    draws()
    with kept_global_state():
        expected = draws()
        keras.utils.set_random_seed(4)
        draws()
    assert draws() == expected


def test_settings_and_names_are_restored() -> None:
    """Float precision, dtype policy, names of layers and options for graphs are restored, even after an error."""
    keras.utils.clear_session()
    first = keras.layers.Dense(1).name
    policy, options = keras.config.dtype_policy().name, tf.config.optimizer.get_experimental_options()
    try:
        with kept_global_state():
            keras.config.set_dtype_policy("mixed_bfloat16")
            keras.config.set_floatx("float64")
            keras.layers.Dense(1)
            keep_additions()
            raise ValueError
    except ValueError:
        pass
    assert (keras.config.dtype_policy().name, keras.config.floatx()) == (policy, "float32")
    assert keras.layers.Dense(1).name == f"{first}_1"
    assert tf.config.optimizer.get_experimental_options() == options


def test_loggers_are_restored() -> None:
    """The root logger's handler and the verbosity that absl sets within the context are removed after it."""
    handlers, levels = list(logging.root.handlers), (logging.root.level, logging.getLogger("absl").level)
    logging.root.handlers.clear()
    try:
        with kept_global_state():
            absl_logging.set_verbosity(absl_logging.ERROR)
            absl_logging.info("not printed")
            assert logging.root.handlers
        assert not logging.root.handlers
        assert (logging.root.level, logging.getLogger("absl").level) == levels
    finally:
        logging.root.handlers[:] = handlers
