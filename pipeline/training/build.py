"""Building the user's model and callbacks under a trial's seed, checking them, and preparing a model for its phases."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, cast

import keras
import numpy as np
import tensorflow as tf

from pipeline.code import takes_argument
from pipeline.datasets import Split
from pipeline.errors import ModelError
from pipeline.space import Config
from pipeline.study import TuneJob
from pipeline.training.arrays import first_inputs
from pipeline.training.base import batch_size_of
from pipeline.training.data import set_up_models
from pipeline.training.global_state import restore_own_settings, seed_generators
from pipeline.training.internals import (
    compilation_of,
    compile_arguments,
    layers_of,
    reset_names,
    reset_seeds,
)
from pipeline.training.persistent_objects import PersistentObjects


def build_model(job: TuneJob, config: Config, *, seed: int, example: Callable[[], Any]) -> keras.Model:
    """Call the job's build_model.

    Initial weights come from the seed alone: Keras draws the seed of each initialiser and of each random layer from
    Python's generator, and names layers by counters; both start again here, as do Keras' global settings, whatever this
    process has built before.
    """
    build = job.model
    assert build is not None, "only a job with a model trains one"
    persistent = PersistentObjects(job.functions.values())
    model = _call_model_function(build, config, seed, persistent)
    if len(now := PersistentObjects(job.functions.values())) > len(persistent):
        # A cache was filled, whose draws moved those of the rest of the model: later trials do without them.
        now.remember()
        persistent = now
        model = _call_model_function(build, config, seed, persistent)
    _check(build, model, persistent)
    if not has_call(model):
        if unbuilt := _unbuilt(model):
            raise ModelError(
                f"{build.__name__}(config) returned a model without call(), and its parts {', '.join(unbuilt)} are not "
                "built. Begin each part with keras.Input(shape), or call part.build(shape), or give the model a call()."
            )
        model.built = True
    elif not model.built or _unbuilt(model):
        inputs = example()
        if _stateful(model):
            # Its states have as many rows as the first batch.
            rows = batch_size_of(job, config)
            inputs = keras.tree.map_structure(lambda array: tf.repeat(array[:1], rows, axis=0), inputs)
        try:
            model(inputs)
        except Exception:
            # Its own train_step may take a batch apart in its own way, and never call the model with x.
            if type(model).train_step is keras.Model.train_step or not layers_of(model) or _unbuilt(model):
                raise
            model.built = True
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


def _check(build: Callable[..., Any], model: Any, persistent: PersistentObjects) -> None:
    if not isinstance(model, keras.Model):
        raise ModelError(f"{build.__name__}(config) returned {_named(model)}; it must return a compiled keras.Model.")
    if not model.compiled or model.optimizer is None:
        raise ModelError(
            f"{build.__name__}(config) returned a model that is not compiled; call model.compile(optimizer=…, loss=…, "
            "metrics=[…]) before returning it."
        )
    if model in persistent:
        raise ModelError(
            f"{build.__name__}(config) returned a model that is made outside of the function, so that all trials would "
            f"train the same one. Make it in {build.__name__}, or return keras.models.clone_model(…) of it, compiled."
        )
    if model.optimizer in persistent or getattr(model.optimizer, "inner_optimizer", None) in persistent:
        raise ModelError(
            f"{build.__name__}(config) compiles its model with an optimiser that is made outside of the function, and "
            f"an optimiser of Keras serves one model only. Make it in {build.__name__}."
        )


def _unbuilt(model: keras.Model) -> list[str]:
    return [layer.name for layer in layers_of(model) if layer is not model and not layer.built]


def has_call(model: keras.Model) -> bool:
    """Whether a model can be called; one that only has its own train_step cannot."""
    return type(model).call is not keras.Model.call


def build_callbacks(job: TuneJob, config: Config, *, seed: int) -> Sequence[keras.callbacks.Callback]:
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
    return function(deepcopy(dict(config))) if takes_argument(function) else function()


def _named(value: object) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"


# Models whose batches all have the same number of rows, such as those with a stateful recurrent layer.


def fixed_rows(model: keras.Model) -> int | None:
    """The number of rows that each batch of a model must have; None if batches may have any."""
    tensors = [*(getattr(model, "inputs", None) or ())]
    for layer in _stateful(model):
        tensors += keras.tree.flatten(getattr(layer, "states", None) or ())
    return next((int(each.shape[0]) for each in tensors if len(each.shape) and each.shape[0] is not None), None)


def reset_states(model: keras.Model) -> None:
    for layer in _stateful(model):
        if hasattr(layer, "reset_state"):
            layer.reset_state()


def _stateful(model: keras.Model) -> list[Any]:
    return [layer for layer in layers_of(model) if getattr(layer, "stateful", False)]


# Phases.


class Phases:
    """The phases of one trial, in their order. A phase whose parameter the trial's config lacks never begins."""

    def __init__(self, job: TuneJob, config: Config, *, seed: int, adapt: Callable[[keras.Model], None]) -> None:
        self._config, self._seed, self._adapt = config, seed, adapt
        starts = [config.get(phase.at) if isinstance(phase.at, str) else phase.at for phase in job.phases]
        self._phases = [
            (cast(int, at), phase.prepare) for at, phase in zip(starts, job.phases, strict=True) if at is not None
        ]

    def follows(self, begun: int) -> bool:
        return begun < len(self._phases)

    def due(self, begun: int, epochs: int, *, ended: bool) -> bool:
        return self.follows(begun) and (ended or epochs >= self._phases[begun][0])

    def prepare_first(self, model: keras.Model, phases: int) -> None:
        for number in range(1, min(phases, len(self._phases)) + 1):
            self.prepare(model, number)

    def prepare(self, model: keras.Model, number: int) -> None:
        """Apply a phase to the model."""
        _, function = self._phases[number - 1]
        name = f"{function.__name__}(model, config)"
        compiled, trained = compilation_of(model), [id(variable) for variable in model.trainable_variables]
        seed_generators(self._seed, f"phase {number}")
        other = function(model, deepcopy(dict(self._config)))
        if other is not None and other is not model:
            raise ModelError(
                f"{name} returned {_named(other)}; it must change the model that it gets, and return nothing."
            )
        if not model.compiled or model.optimizer is None:
            raise ModelError(f"{name} left the model without an optimiser; it must compile it with model.compile(…).")
        if compilation_of(model) is compiled and [id(variable) for variable in model.trainable_variables] != trained:
            raise ModelError(
                f"{name} changed which weights are trained, but did not compile the model: Keras would still train "
                "the previous weights. Call model.compile(optimizer=…, loss=…, metrics=[…]) after the change."
            )
        self._adapt(model)


def adapt_to_resources(model: keras.Model, job: TuneJob, note: Callable[[str], None]) -> None:
    """Leave out XLA where it gains nothing, in a model that was just compiled.

    On a CPU compiling takes seconds and gains nothing: Keras' "auto" is left out there.
    """
    asked, mirrored = compile_arguments(model).get("jit_compile") is True, job.resources.strategy == "mirrored"
    if mirrored or (not job.resources.gpus and not asked):
        model.jit_compile = False
    elif asked and not job.resources.gpus:
        note("XLA compiles each model on the CPU, which takes seconds per trial: leave out jit_compile=True.")


# Models without training, for the weights of checkpoints.


class ModelBuilder:
    """Builds models of a job; it needs no data, but their shapes where a model learns its own from them, and a data
    function that adapts, fits or sets what `build_model` uses.

    TensorFlow's threads and devices stay as they are in this process.
    """

    def __init__(self, job: TuneJob, example: Callable[[], Any]) -> None:
        self._job, self._example = job, example

    def build(self, config: Config, *, seed: int, phases: int = 0) -> keras.Model:
        if any(hasattr(layer, "adapt") for layer in PersistentObjects(self._job.functions.values()).layers):
            set_up_models(self._job, config=config)
        try:
            model = self._built(config, seed)
        except Exception:
            if not callable(self._job.data):
                raise
            # It may need what the data function sets outside of itself.
            set_up_models(self._job, config=config)
            model = self._built(config, seed)
        Phases(self._job, config, seed=seed, adapt=self._adapt).prepare_first(model, phases)
        return model

    def _built(self, config: Config, seed: int) -> keras.Model:
        tf.random.set_seed(seed)
        model = build_model(self._job, config, seed=seed, example=self._example)
        self._adapt(model)
        return model

    def _adapt(self, model: keras.Model) -> None:
        adapt_to_resources(model, self._job, lambda _note: None)


def recorded_inputs(fingerprint: Mapping[str, Any] | None) -> Any:
    """Inputs of one row, of zeros or empty texts, in the shapes and dtypes that a study records of its data."""
    arrays: dict[tuple[str, ...], np.ndarray] = {}
    for name, entry in (fingerprint or {}).items():
        if name.split(".")[:2] == ["train", "x"] and "shape" in entry:
            array = np.zeros((1, *entry["shape"][1:]), np.dtype(entry["dtype"]))
            arrays[tuple(name.split(".")[2:])] = np.full(array.shape, "", object) if array.dtype.hasobject else array
    return first_inputs(Split(_tree(arrays), None)) if arrays else None


def _tree(arrays: Mapping[tuple[str, ...], np.ndarray]) -> Any:
    if () in arrays:
        return arrays[()]
    parts = dict.fromkeys(path[0] for path in arrays)
    inner = {part: _tree({path[1:]: array for path, array in arrays.items() if path[0] == part}) for part in parts}
    numbered = list(inner) == [str(number) for number in range(len(inner))]
    return tuple(inner.values()) if numbered else inner
