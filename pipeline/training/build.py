"""Building the user's model and callbacks under a trial's seed, and checking them."""

import random
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import deepcopy
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.errors import ModelError
from pipeline.space import Config
from pipeline.study import TuneJob
from pipeline.study.keras_backend import KERAS_2, OTHER_KERAS, refuse_other_backend
from pipeline.study.signature import takes_argument
from pipeline.training.base import batch_size_of
from pipeline.training.fixed_rows import is_stateful
from pipeline.training.inputs import explain_shape_errors
from pipeline.training.internals import compile_arguments, layers_of, reset_names, reset_seeds, reset_shared_metrics
from pipeline.training.keras_settings import restore_own_settings
from pipeline.training.persistent_objects import PersistentObjects
from pipeline.training.sums import ordered_sums


def seed_generators(seed: int, purpose: str) -> None:
    """Start Python's and NumPy's global generators again."""
    number = zlib.crc32(f"{seed} {purpose}".encode())
    random.seed(number)
    np.random.seed(number)


def build_model(
    job: TuneJob, config: Config, *, seed: int, example: Callable[[], Any], batch: Callable[[], Any] | None = None
) -> keras.Model:
    """Call the job's build_model.

    Initial weights come from the seed alone: Keras draws the seed of each initialiser and of each random layer from
    Python's generator, and names layers by counters; both start again here, as do Keras' global settings, whatever this
    process has built before.
    """
    build = job.model
    assert build is not None, "only a job with a model trains one"
    persistent = PersistentObjects(job.functions.values())
    model = _call_model_function(build, config, seed, persistent)
    if (now := PersistentObjects(job.functions.values())).has_more_than(persistent):
        # A cache was filled, whose draws moved those of the rest of the model: later trials do without them.
        now.remember()
        persistent = now
        model = _call_model_function(build, config, seed, persistent)
    if not isinstance(model, keras.Model):
        raise ModelError(
            f"{build.__name__}(config) returned {_named(model)}; it must return a compiled keras.Model.{_hint(model)}"
        )
    if not model.compiled or model.optimizer is None:
        raise ModelError(
            f"{build.__name__}(config) returned a model that is not compiled; call model.compile(optimizer=…, loss=…, "
            "metrics=[…]) before returning it."
        )
    if (misplaced := _misplaced_metrics(model)) is not None:
        raise ModelError(
            f"The third argument of compile() in {build.__name__}(config) is loss_weights, and a weight is a number; "
            f"found {misplaced!r}. Give the metrics by name: model.compile(optimizer, loss, metrics=[…])."
        )
    _refuse_persistent(build, model, persistent)
    reset_shared_metrics(model)
    layers = layers_of(model)
    if not has_call(model):
        # Its own train_step calls its parts.
        own_step = type(model).train_step is not keras.Model.train_step
        if own_step and batch is not None and _unbuilt(model):
            _trace_step(model, batch(), seed)
        if unbuilt := _unbuilt(model):
            raise ModelError(
                f"{build.__name__}(config) returned a model without call(), and its parts {', '.join(unbuilt)} are not "
                "built. Begin each part with keras.Input(shape), or call part.build(shape), or give the model a call()."
            )
        model.built = True
    elif not model.built or layers is None or not all(layer.built for layer in layers):
        inputs = example()
        if is_stateful(model):
            # Its states have as many rows as the first batch.
            rows = _rows_of(batch) or batch_size_of(job, config)
            inputs = keras.tree.map_structure(lambda array: tf.repeat(array[:1], rows, axis=0), inputs)
        _call_once(model, inputs, batch, seed)
    persistent.remember()
    return model


def _call_model_function(build: Callable[..., Any], config: Config, seed: int, persistent: PersistentObjects) -> Any:
    """What the model function returns under the trial's seed."""
    reset_names()
    reset_seeds()
    restore_own_settings()
    persistent.begin()
    seed_generators(seed, "model")
    return _call(build, config)


def _refuse_persistent(build: Callable[..., Any], model: keras.Model, persistent: PersistentObjects) -> None:
    """Refuse a model or an optimiser that is made outside of the function, because each trial needs its own."""
    optimizer = model.optimizer
    if model in persistent:
        raise ModelError(
            f"{build.__name__}(config) returned a model that is made outside of the function, so that all trials would "
            f"train the same one. Make it in {build.__name__}, or return keras.models.clone_model(…) of it, compiled."
        )
    if optimizer in persistent or getattr(optimizer, "inner_optimizer", None) in persistent:
        raise ModelError(
            f"{build.__name__}(config) compiles its model with an optimiser that is made outside of the function, and "
            f"an optimiser of Keras serves one model only. Make it in {build.__name__}."
        )


def _rows_of(batch: Callable[[], Any] | None) -> int | None:
    """The rows of each batch of the training; None if they are not known."""
    specs = [] if batch is None else keras.tree.flatten(batch())
    return next((int(spec.shape[0]) for spec in specs if spec.shape.rank and spec.shape[0] is not None), None)


def _misplaced_metrics(model: keras.Model) -> str | None:
    """The first text among the weights of the losses: Keras' own error names only a dtype."""
    weights = (compile_arguments(model) or {}).get("loss_weights")
    each = (
        weights.values() if isinstance(weights, dict) else weights if isinstance(weights, list | tuple) else [weights]
    )
    return next((weight for weight in each if isinstance(weight, str)), None)


def _unbuilt(model: keras.Model) -> list[str]:
    return [layer.name for layer in layers_of(model) or () if layer is not model and not layer.built]


def _call_once(model: keras.Model, inputs: Any, batch: Callable[[], Any] | None, seed: int) -> None:
    """Let a model make its weights from inputs."""
    try:
        # Random layers that this runs through must not have drawn when training starts.
        with explain_shape_errors(model, inputs):
            model(inputs)
    except Exception:
        # Its own train_step may take a batch apart in its own way, as a triplet of inputs or as rows of a graph that
        # the model holds, and never call it with x.
        if type(model).train_step is keras.Model.train_step:
            raise
        if _unbuilt(model) and batch is not None:
            with suppress(Exception):
                _trace_step(model, batch(), seed)
        parts = [layer for layer in layers_of(model) or () if layer is not model]
        if not parts or _unbuilt(model):
            raise
        model.built = True


def _trace_step(model: keras.Model, specification: Any, seed: int) -> None:
    """Let a model's own train_step make the weights of its parts."""
    # A layer draws the seeds of what it makes when it is built.
    seed_generators(seed, "parts")
    with ordered_sums():
        tf.function(model.train_step, autograph=False).get_concrete_function(specification)


def has_call(model: keras.Model) -> bool:
    """Whether a model can be called; one that only has its own train_step cannot."""
    return type(model).call is not keras.Model.call


def build_callbacks(job: TuneJob, config: Config, *, seed: int) -> Sequence[keras.callbacks.Callback]:
    """Call the job's callbacks."""
    build: Callable[..., Any] | None = job.callbacks
    if build is None:
        return []
    seed_generators(seed, "callbacks")
    callbacks = _call(build, config)
    if not isinstance(callbacks, list | tuple):
        raise ModelError(
            f"{build.__name__}(config) returned {_named(callbacks)}; it must return a list of Keras callbacks."
        )
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise ModelError(
                f"{build.__name__}(config) returned a list with {_named(callback)}; every item must be an instance of "
                "keras.callbacks.Callback."
            )
    return list(callbacks)


def _call(function: Callable[..., Any], config: Config) -> Any:
    try:
        return function(deepcopy(dict(config))) if takes_argument(function) else function()
    finally:
        refuse_other_backend()


def _hint(value: object) -> str:
    if value is None:
        return " Is a return missing at its end?"
    if isinstance(value, tuple):
        return " Callbacks and data have separate functions: callbacks= and data=."
    if type(value).__module__.startswith(KERAS_2):
        return f" {OTHER_KERAS}."
    return ""


def _named(value: object) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"
