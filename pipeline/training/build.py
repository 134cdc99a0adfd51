"""Building the user's model and callbacks under a trial's seed, checking them, and preparing a model for its phases."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from types import ModuleType
from typing import Any, cast

import keras
import numpy as np
import tensorflow as tf

from pipeline.code.functions import takes_argument
from pipeline.code.modules import is_user_file
from pipeline.errors import ModelError
from pipeline.space import Config
from pipeline.study import TuneJob
from pipeline.training.internals import (
    compilation_of,
    compile_arguments,
    layers_of,
    reserve_names,
    reset_names,
    reset_seeds,
)
from pipeline.training.process import first_values, restore_own_settings, seed_generators


def build_model(job: TuneJob, config: Config, *, seed: int, example: Callable[[], Any]) -> keras.Model:
    """Call the job's build_model.

    Initial weights come from the seed alone: Keras draws the seed of each initialiser and of each random layer from
    Python's generator, and names layers by counters; both start again here, as do Keras' global settings, whatever this
    process has built before.
    """
    build = job.model
    assert build is not None, "only a job with a model trains one"
    persistent = PersistentObjects(job.functions.values())
    reset_names()
    reset_seeds()
    restore_own_settings()
    persistent.begin()
    seed_generators(seed, "model")
    model = _call(build, config)
    _check(build, model, persistent)
    if callable(job.data):
        _refuse_unadapted(persistent.layers)
    if not (model.built and _parts_are_built(model)):
        try:
            model(example())
        except Exception:
            # Its own train_step may take a batch apart in its own way, and never call the model with x.
            if type(model).train_step is keras.Model.train_step or not layers_of(model) or not _parts_are_built(model):
                raise
            model.built = True
    persistent.remember()
    _leave_out_xla(model, job)
    return model


def _check(build: Callable[..., Any], model: Any, persistent: "PersistentObjects") -> None:
    name = build.__name__
    if not isinstance(model, keras.Model) or not model.compiled or model.optimizer is None:
        found = "a model that is not compiled" if isinstance(model, keras.Model) else _named(model)
        raise ModelError(f"{name}(config) returned {found}; it must return a compiled keras.Model.")
    optimizers = [model.optimizer, getattr(model.optimizer, "inner_optimizer", None)]
    for kind, parts in (("a model", [model]), ("an optimiser", optimizers)):
        if any(part in persistent for part in parts):
            raise ModelError(
                f"{name}(config) returned a model with {kind} that is made outside of the function, which all trials "
                f"would train. Make it in {name}."
            )


def _refuse_unadapted(layers: Sequence[Any]) -> None:
    """Refuse a layer that its data function adapts in another process: arrays are sent to workers, layers are not."""
    for layer in layers:
        if not hasattr(layer, "adapt_mean"):
            continue
        mean, variance = (keras.ops.convert_to_numpy(each) for each in (layer.adapt_mean, layer.adapt_variance))
        if not mean.any() and (variance == 1).all():
            raise ModelError(
                f"The layer {layer.name}, which is made outside of the model function, is not adapted in this process: "
                "a data function may run in another one. Make and adapt it in a function with functools.cache, which "
                "the model function calls."
            )


def _parts_are_built(model: keras.Model) -> bool:
    return all(layer.built for layer in layers_of(model))


def build_callbacks(job: TuneJob, config: Config, *, seed: int) -> Sequence[keras.callbacks.Callback]:
    build: Callable[..., Any] | None = job.callbacks
    if build is None:
        return []
    seed_generators(seed, "callbacks")
    callbacks = _call(build, config)
    found = callbacks if isinstance(callbacks, list | tuple) else [None]
    if others := [callback for callback in found if not isinstance(callback, keras.callbacks.Callback)]:
        shown = f"a list with {_named(others[0])}" if found is callbacks else _named(callbacks)
        raise ModelError(f"{build.__name__}(config) returned {shown}; it must return a list of Keras callbacks.")
    return list(found)


def _call(function: Callable[..., Any], config: Config) -> Any:
    return function(deepcopy(dict(config))) if takes_argument(function) else function()


def _named(value: object) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"


# Phases.


class Phases:
    """The phases of one trial, in their order. A phase whose parameter the trial's config lacks never begins."""

    def __init__(self, job: TuneJob, config: Config, *, seed: int) -> None:
        self._job, self._config, self._seed = job, config, seed
        starts = [config.get(phase.at) if isinstance(phase.at, str) else phase.at for phase in job.phases]
        self._phases = [
            (cast(int, at), phase.prepare) for at, phase in zip(starts, job.phases, strict=True) if at is not None
        ]

    def follows(self, begun: int) -> bool:
        return begun < len(self._phases)

    def due(self, begun: int, epochs: int, *, ended: bool) -> bool:
        return self.follows(begun) and (ended or epochs >= self._phases[begun][0])

    def prepare_first(self, model: keras.Model, phases: int) -> None:
        with model.distribute_strategy.scope():
            for number in range(1, min(phases, len(self._phases)) + 1):
                self.prepare(model, number)

    def prepare(self, model: keras.Model, number: int) -> None:
        """Apply a phase to the model."""
        _, function = self._phases[number - 1]
        name = f"{function.__name__}(model, config)"
        compiled, trained = compilation_of(model), [id(variable) for variable in model.trainable_variables]
        seed_generators(self._seed, f"phase {number}")
        other = function(model, deepcopy(dict(self._config)))
        if (other is not None and other is not model) or not model.compiled or model.optimizer is None:
            raise ModelError(
                f"{name} returned {_named(other)}; it must change the model that it gets, leave it compiled with an "
                "optimiser, and return nothing."
            )
        if compilation_of(model) is compiled and [id(variable) for variable in model.trainable_variables] != trained:
            raise ModelError(
                f"{name} changed which weights are trained, but did not compile the model: Keras would still train "
                "the previous weights. Call model.compile(optimizer=…, loss=…, metrics=[…]) after the change."
            )
        _leave_out_xla(model, self._job)


def _leave_out_xla(model: keras.Model, job: TuneJob) -> None:
    """Leave out XLA where it gains nothing, in a model that was just compiled: Keras' "auto" takes seconds on a CPU."""
    asked = compile_arguments(model).get("jit_compile") is True
    mirrored = model.distribute_strategy.num_replicas_in_sync > 1
    if mirrored or (not job.resources.gpus and not asked):
        model.jit_compile = False


# Models without training, for the weights of checkpoints.


def build_untrained(
    job: TuneJob, example: Callable[[], Any], config: Config, *, seed: int, phases: int = 0, draws: bool = True
) -> keras.Model:
    """A model of a job, prepared for some phases, without data, but their shapes if it learns its own from them.

    TensorFlow's threads and devices stay as they are in this process. `draws` says whether the model may draw from
    tf.random in the user's own code.
    """
    if draws:
        # It empties TensorFlow's caches, so Keras' own models do without.
        tf.random.set_seed(seed)
    model = build_model(job, config, seed=seed, example=example)
    Phases(job, config, seed=seed).prepare_first(model, phases)
    return model


# Objects that are made outside of the model function.

_KINDS = (
    keras.layers.Layer,
    keras.metrics.Metric,
    keras.optimizers.Optimizer,
    keras.random.SeedGenerator,
    keras.Variable,
    tf.Variable,
)
_MAX_ITEMS = 1000
"""A longer list holds data."""


class PersistentObjects:
    """What a job's modules have made of Keras before a model is built."""

    def __init__(self, functions: Iterable[Callable[..., Any]]) -> None:
        self._found = list({id(value): value for value in _reached(functions)}.values())
        self.layers = [
            part for each in self._found if isinstance(each, keras.layers.Layer) for part in (each, *layers_of(each))
        ]

    def __contains__(self, value: object) -> bool:
        return any(value is each for each in self._found)

    def begin(self) -> None:
        """Restore the first values and the frozen layers, and keep the layers' names from those of the next model."""
        self.remember()
        # A layer sets those in it, which come after it.
        for layer in self.layers:
            if layer.trainable != first_values[id(layer)][1]:
                layer.trainable = first_values[id(layer)][1]
        for variable in self._variables():
            value = first_values[id(variable)][1]
            if tuple(variable.shape) == value.shape:
                variable.assign(value)
        reserve_names([layer.name for layer in self.layers])

    def remember(self) -> None:
        """Record what has no first value yet: a model may have built its layers."""
        for layer in self.layers:
            first_values.setdefault(id(layer), (layer, bool(layer.trainable)))
        for variable in self._variables():
            if id(variable) not in first_values:
                first_values[id(variable)] = variable, np.array(keras.ops.convert_to_numpy(variable))

    def _variables(self) -> Iterator[Any]:
        for value in self._found:
            if isinstance(value, keras.Variable | tf.Variable):
                yield value
            elif isinstance(value, keras.random.SeedGenerator):
                yield value.state
            elif not isinstance(value, keras.optimizers.Optimizer):
                yield from value.variables


def _reached(functions: Iterable[Callable[..., Any]]) -> Iterator[Any]:
    for function in functions:
        inner = inspect.unwrap(function)
        own = getattr(inner, "__globals__", {})
        modules = [value for value in list(own.values()) if isinstance(value, ModuleType)]
        modules = [module for module in modules if (file := getattr(module, "__file__", None)) and is_user_file(file)]
        homes = [own, *map(vars, modules), dict(enumerate(map(_content, inner.__closure__ or ())))]
        for value in [value for home in homes for value in list(home.values())]:
            yield from _parts(value)


def _parts(value: Any, depth: int = 3) -> Iterator[Any]:
    if isinstance(value, _KINDS):
        yield value
        return
    if depth and isinstance(value, dict | list | tuple) and len(value) <= _MAX_ITEMS:
        for part in list(value.values() if isinstance(value, dict) else value):
            yield from _parts(part, depth - 1)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None
