"""The user's model and callbacks, built under a trial's seed and looked at before they are used."""

import random
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state
from keras.src.utils import naming

from pipeline.errors import ModelError
from pipeline.space import Config
from pipeline.study import TuneJob

__all__ = ["build_callbacks", "build_model"]


def build_model(job: TuneJob, config: Config, *, seed: int, example: Any) -> keras.Model:
    """Call the job's build_model.

    Initial weights come from the seed alone: Keras draws the seed of each initialiser and of each random layer from
    Python's generator, and names layers by counters; both start anew here, whatever this process has built before.

    Args:
        job: The study's job.
        config: The trial's config.
        seed: The trial's seed.
        example: Inputs of one row, for a model that learns its shapes from them.

    Returns:
        A model with its weights.

    Raises:
        ModelError: What it returned is not a compiled Keras model.
    """
    assert job.model is not None
    random.seed(seed)
    np.random.seed(seed)
    global_state.set_global_attribute("global_seed_generator", None)
    naming.reset_uids()
    model = job.model(dict(config))
    name = job.model.__name__
    if not isinstance(model, keras.Model):
        raise ModelError(
            f"{name}(config) returned {type(model).__name__}; it must return a compiled keras.Model. "
            "Is a return missing at its end?"
        )
    if not model.compiled or model.optimizer is None:
        raise ModelError(
            f"{name}(config) returned a model that is not compiled; call model.compile(optimizer=…, loss=…, "
            "metrics=[…]) before returning it."
        )
    if not model.built:
        model(example)
    return model


def build_callbacks(job: TuneJob, config: Config) -> Sequence[keras.callbacks.Callback]:
    """Call the job's callbacks.

    Raises:
        ModelError: What it returned is not a list of Keras callbacks.
    """
    if job.callbacks is None:
        return []
    found = job.callbacks(dict(config))
    if not isinstance(found, list | tuple) or not all(isinstance(c, keras.callbacks.Callback) for c in found):
        raise ModelError(
            f"{job.callbacks.__name__}(config) returned {found!r:.100}; it must return a list of Keras callbacks."
        )
    return list(found)
