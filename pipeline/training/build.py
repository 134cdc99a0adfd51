"""The user's model and callbacks, built under a trial's seed and looked at before they are used."""

import random
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state
from keras.src.utils import naming

from pipeline.errors import ModelError
from pipeline.space import Config
from pipeline.study import TuneJob
from pipeline.training.inputs import inputs_told

__all__ = ["build_callbacks", "build_model", "seeded"]


def seeded(seed: int, what: str) -> None:
    """Start Python's and NumPy's generators anew.

    Args:
        seed: The trial's seed.
        what: What is about to happen: the same draws follow for the same seed and the same `what`.
    """
    number = zlib.crc32(f"{seed} {what}".encode())
    random.seed(number)
    np.random.seed(number)


def build_model(job: TuneJob, config: Config, *, seed: int, example: Any) -> keras.Model:
    """Call the job's build_model.

    Initial weights come from the seed alone: Keras draws the seed of each initialiser and of each random layer from
    Python's generator, and names layers by counters; both start anew here, as do Keras' global settings, whatever this
    process has built before.

    Args:
        job: The study's job.
        config: The trial's config.
        seed: The trial's seed.
        example: Inputs of one row, for a model that learns its shapes from them.

    Returns:
        A model with its weights.

    Raises:
        ModelError: What it returned is not a compiled Keras model, or does not fit the data.
        Exception: Whatever the user's code raises.
    """
    build = job.model
    assert build is not None, "only a job with a model trains one"
    _start_keras_anew()
    seeded(seed, "model")
    model = build(dict(config))
    if not isinstance(model, keras.Model):
        raise ModelError(
            f"{build.__name__}(config) returned {_named(model)}; it must return a compiled keras.Model. "
            "Is a return missing at its end?"
        )
    if not model.compiled or model.optimizer is None:
        raise ModelError(
            f"{build.__name__}(config) returned a model that is not compiled; call model.compile(optimizer=…, loss=…, "
            "metrics=[…]) before returning it."
        )
    if not model.built or not all(layer.built for layer in model._flatten_layers()):
        # Random layers that this runs through must not have drawn when training starts.
        with inputs_told(model, example):
            model(example)
    return model


def build_callbacks(job: TuneJob, config: Config, *, seed: int) -> Sequence[keras.callbacks.Callback]:
    """Call the job's callbacks.

    Raises:
        ModelError: What it returned is not a list of Keras callbacks.
        Exception: Whatever the user's code raises.
    """
    build: Callable[..., Any] | None = job.callbacks
    if build is None:
        return []
    seeded(seed, "callbacks")
    found = build(dict(config))
    if not isinstance(found, list | tuple):
        raise ModelError(
            f"{build.__name__}(config) returned {_named(found)}; it must return a list of Keras callbacks."
        )
    for callback in found:
        if not isinstance(callback, keras.callbacks.Callback):
            raise ModelError(
                f"{build.__name__}(config) returned a list with {_named(callback)}; every item must be an instance of "
                "keras.callbacks.Callback."
            )
    return list(found)


def _start_keras_anew() -> None:
    global_state.set_global_attribute("global_seed_generator", None)
    naming.reset_uids()
    if keras.config.floatx() != "float32":
        keras.config.set_floatx("float32")
    if keras.config.dtype_policy().name != "float32":
        keras.config.set_dtype_policy("float32")


def _named(value: object) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"
