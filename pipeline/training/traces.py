"""Traced epochs, kept for the next trial of the same architecture.

Tracing takes 0.5 to 1 s, and training a small epoch 0.25 s. A trial whose model differs from an earlier one only in
numbers and in its initial weights takes over the earlier one's graph: the new values are copied into its variables. The
result is the same, to the last digit, as with its own trace; where that cannot be known, there is no reuse.

A number that is read from a variable costs a little in every step, and TensorFlow folds constants together in ways that
it cannot with variables. So only numbers that stand in the trial's config become variables: that is the same whatever
was trained before, and with it the result.

Models share a trace under a key: a text of everything that a trace depends on. Only Keras' own classes are described
completely by their config. A user's class or function may branch on anything, so its trace is not shared.
"""

import hashlib
import json
import weakref
from collections.abc import Callable, Collection, Sequence, Set
from functools import cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.training.arrays import DeviceData
from pipeline.training.internals import (
    build_metrics,
    captured_variables,
    compile_arguments,
    excludes_from_weight_decay,
    is_functional,
    layers_of,
    learning_rate_of,
    ordered_sums,
    wrapped_arguments,
)
from pipeline.training.state import build_optimizer, skip_reductions, variables_of
from pipeline.training.symbolic_floats import FloatAttribute, float_attributes, masked

_CACHED_TRACES = 16
_MAX_TRACE_BYTES = 512 * 2**20

_WITH_VOCABULARY = (keras.layers.StringLookup, keras.layers.IntegerLookup, keras.layers.TextVectorization)
_SET_BY_TRAINING = frozenset({"history", "stop_evaluating", "stop_predicting", "stop_training"})
_OVERRIDABLE = ("call", "train_step", "test_step", "compute_loss", "compute_metrics", "compute_output_shape")


def trace_epoch(
    step: Callable[[Any], Any], data: Any, rows: int, batch_size: int, *, jit_compile: bool, stop_at_nan: bool
) -> Any:
    """Trace a function that runs many steps of a model's train_step or test_step.

    Equal to Keras' fit to the last digit on the same batches: the step is traced on its own, as fit does it, and the
    batch dimension is known to the trace only where it is the same in every step.
    """
    even = rows % batch_size == 0
    one_step = tf.function(step, autograph=False, reduce_retracing=True, jit_compile=jit_compile)

    def batch(order: Any, index: Any) -> Any:
        begin = index * batch_size
        picked = order[begin : tf.minimum(begin + batch_size, rows)]

        def gather(tensor: Any) -> Any:
            taken = tf.gather(tensor, picked)
            taken.set_shape([batch_size if even else None, *tensor.shape[1:]])
            return taken

        return tf.nest.map_structure(gather, data)

    def finite(logs: Any) -> Any:
        loss = logs.get("loss") if stop_at_nan and isinstance(logs, dict) else None
        return tf.constant(True) if loss is None else tf.reduce_all(tf.math.is_finite(loss))

    def steps(order: Any, first: Any, last: Any) -> Any:
        def body(index: Any, _going: Any, _logs: Any) -> Any:
            logs = one_step(batch(order, index))
            return index + 1, finite(logs), _present(logs)

        # The loop carries the logs, so their structure must be known before the first step.
        like = one_step.get_concrete_function(batch(order, first)).structured_outputs
        carried = _present(like)
        zeros = [tf.zeros([size or 0 for size in spec.shape], spec.dtype) for spec in carried]
        last_logs = tf.while_loop(
            lambda index, going, _logs: (index < last) & going,
            body,
            (first, tf.constant(True), zeros),
            shape_invariants=(tf.TensorShape([]), tf.TensorShape([]), [spec.shape for spec in carried]),
            parallel_iterations=1,
        )[2]
        found = iter(last_logs)
        return tf.nest.map_structure(lambda spec: None if spec is None else next(found), like)

    number = tf.TensorSpec([], tf.int32)
    with ordered_sums():
        return tf.function(steps, autograph=False).get_concrete_function(
            tf.TensorSpec([None], tf.int32), number, number
        )


def _present(logs: Any) -> list[Any]:
    """The values of logs, flat; a step may return None, which no loop can carry."""
    return [value for value in tf.nest.flatten(logs) if value is not None]


class Trace:
    def __init__(
        self, model: keras.Model, data: DeviceData, batch_size: int, places: list[FloatAttribute], free: Set[str]
    ) -> None:
        self.model, self.data = model, data
        skip_reductions(model)
        for place in places:
            if place.path in free:
                place.free()
            elif place.is_free:
                # Of an earlier trace of the model.
                vars(place.owner)[place.attribute] = place.value
        build_optimizer(model)
        _build_metrics(model, data)
        jit = bool(model.jit_compile)
        self.train = trace_epoch(
            model.train_step, data.train, data.train_rows, batch_size, jit_compile=jit, stop_at_nan=True
        )
        self.evaluate: Any = None
        if data.validation is not None:
            self.evaluate = trace_epoch(
                model.test_step, data.validation, data.validation_rows, batch_size, jit_compile=jit, stop_at_nan=False
            )
        captured = {
            id(variable): variable
            for function in (self.train, self.evaluate)
            if function is not None
            for variable in captured_variables(function.graph)
        }
        self._asked = free
        self.free = {
            place.path: place
            for place in places
            if place.path in free and not place.escaped and id(place.variable) in captured
        }
        self.fixed = {place.path: place.value for place in places if place.path not in self.free}
        known = [*variables_of(model), *model.metrics_variables]
        known += [variable for metric in model.metrics for variable in metric.variables]
        ids = {id(variable.value) for variable in known} | {id(place.variable) for place in places}
        self.state = [variable for key, variable in captured.items() if key not in ids]
        """Variables that a graph reads and that are neither the model's, the optimiser's, a metric's nor a number."""
        self.trace_key: str | None = None
        self._traced = _constants(model)
        self._owner: weakref.ref[Any] | None = None

    @property
    def bytes(self) -> int:
        return sum(int(np.prod(variable.shape)) * 4 for variable in variables_of(self.model))

    @property
    def is_outdated(self) -> bool:
        """Whether the model now trains other variables, or a number of a layer that the graph holds has changed."""
        return _constants(self.model) != self._traced

    @property
    def in_use(self) -> bool:
        return self._owner is not None and self._owner() is not None

    def lend(self, owner: Any) -> None:
        """Reserve the trace until the owner gives it back or is garbage-collected."""
        self._owner = weakref.ref(owner)

    def give_back(self) -> None:
        self._owner = None

    def serves(self, numbers: dict[str, float], free: Set[str]) -> bool:
        """Whether this graph is also that of a model with other numbers."""
        return free == self._asked and all(numbers.get(path) == value for path, value in self.fixed.items())

    def take_over(self, model: keras.Model, places: list[FloatAttribute]) -> None:
        """Start again with the initial weights, the learning rate and the numbers of a new model."""
        for old, new in zip(self.model.variables, model.variables, strict=True):
            old.assign(new.value)
        # Some optimisers keep copies of the initial weights.
        build_optimizer(model)
        for old, new in zip(self.model.optimizer.variables, model.optimizer.variables, strict=True):
            old.assign(new.value)
        for place in places:
            if place.path in self.free:
                self.free[place.path].assign(place.value)
        self.model.reset_metrics()


def _constants(model: keras.Model) -> list[Any]:
    """What a graph holds of a model: which variables are trained, and the numbers that it reads from no variable."""
    numbers = {place.path: None if place.is_free else place.value for place in float_attributes(model)}
    return [[variable.trainable for variable in model.variables], numbers]


class Traces:
    def __init__(self, parts: int = 1) -> None:
        self._max_traces = parts * _CACHED_TRACES
        self._kept: list[Trace] = []

    def of(self, model: keras.Model, data: DeviceData, batch_size: int, values: Collection[Any] | None = None) -> Trace:
        """The trace for a model: an existing one with the model's values, or a new one.

        No other trial takes over that of a model without the values of a config.
        """
        places = float_attributes(model)
        key = None if values is None else trace_key(model, places, batch_size)
        if values is None or key is None:
            return Trace(model, data, batch_size, places, set())
        numbers = {place.path: place.value for place in places}
        named = _named(values)
        free = {path for path, value in numbers.items() if value in named}
        for trace in reversed(self._kept):
            if trace.in_use or trace.data is not data or trace.trace_key != key or not trace.serves(numbers, free):
                continue
            # A callback may have changed the model that the trace was made of.
            if not trace.is_outdated and trace_key(trace.model, float_attributes(trace.model), batch_size) == key:
                self._kept.remove(trace)
                self._kept.append(trace)
                trace.take_over(model, places)
                return trace
        self._make_room()
        trace = Trace(model, data, batch_size, places, free)
        if not trace.state:
            # Its graphs read only known variables of Keras.
            trace.trace_key = key
            self._kept.append(trace)
        return trace

    def _make_room(self) -> None:
        """Delete the oldest traces, and large ones: a trace keeps its model in memory."""
        for oldest in list(self._kept):
            size = sum(trace.bytes for trace in self._kept)
            if len(self._kept) < self._max_traces and size <= _MAX_TRACE_BYTES:
                return
            if not oldest.in_use:
                self._kept.remove(oldest)


def _named(values: Collection[Any]) -> set[float]:
    """The numbers of a config, in Keras' precision as well; 0 and 1 are what graphs branch on."""
    leaves = keras.tree.flatten(list(values))
    numbers = {float(leaf) for leaf in leaves if isinstance(leaf, int | float) and not isinstance(leaf, bool)} - {
        0.0,
        1.0,
    }
    # A number beyond the range of float32 is infinite there, as it is for Keras.
    with np.errstate(over="ignore"):
        return numbers | {float(np.float32(value)) for value in numbers}


def _build_metrics(model: keras.Model, data: DeviceData) -> None:
    """Let metrics create their variables before the trace, because a trace that creates variables runs twice.

    Only where it is certain what the model compares: its one output, of known width, with the one target. A Sequential
    whose first layer takes several inputs knows of no output.
    """
    _, target, _ = keras.utils.unpack_x_y_sample_weight(data.train)
    if not (type(model) is keras.Sequential or is_functional(model)):
        return
    outputs: Sequence[Any] = getattr(model, "outputs", None) or ()
    if len(outputs) == 1 and tf.is_tensor(target) and len(outputs[0].shape) > 1 and outputs[0].shape[-1] is not None:
        build_metrics(model, target[:1], outputs[0])


# Keys.


class _Unknown(Exception):
    """A part of the model has no complete description."""


def has_own_parts(model: keras.Model) -> bool:
    """Whether a model, a layer, what a layer calls, the optimiser, a loss or a metric is the user's own code."""
    parts = [model, *layers_of(model)]
    arguments = [value for value in keras.tree.flatten(compile_arguments(model)) if callable(value)]
    rate = learning_rate_of(model.optimizer)
    held = [value for part in parts for value in _held(part)]
    everything = [*parts, *held, *arguments, model.optimizer, *([rate] if callable(rate) else [])]
    return not all(map(_is_keras_own, everything)) or any(isinstance(part, keras.layers.Lambda) for part in parts)


def trace_key(model: keras.Model, places: list[FloatAttribute], more: Any) -> str | None:
    """Everything that a model's trace depends on, except its numbers and the values of its variables."""
    layers = layers_of(model)
    # Callbacks may read what the user has attached to a model, and get the earlier one.
    if not (type(model) is keras.Sequential or is_functional(model)) or vars(model).keys() - _keras_attributes():
        return None
    try:
        with masked(places):
            parts = [
                _known(model.get_config()),
                [_overrides(part) for part in (model, *layers)],
                _compilation(model),
            ]
        parts += [
            [_learned(layer) for layer in layers],
            [[list(v.shape), str(v.dtype), v.trainable, v.path] for v in model.variables],
            [[place.path, *place.sign] for place in places],
            [keras.config.floatx(), keras.config.image_data_format(), keras.config.dtype_policy().name],
            more,
        ]
        return json.dumps(parts, sort_keys=True)
    except (_Unknown, TypeError, ValueError, NotImplementedError):
        return None


def _known(value: Any, *, functions: bool = False) -> Any:
    """A config, if everything in it is Keras' own, without initialisers and learning rates: their values are copied."""
    if isinstance(value, dict):
        # What connects the layers of a functional model has no module.
        kind = value.get("class_name", "__keras_tensor__")
        if kind != "__keras_tensor__" and not (functions and kind == "function"):
            module = str(value.get("module") or "")
            ours = module.split(".")[0] == "keras" and value.get("registered_name") in (None, kind)
            if not ours or kind in ("Lambda", "function"):
                raise _Unknown(kind)
        return {
            str(name): _known(item, functions=functions)
            for name, item in value.items()
            if not str(name).endswith("_initializer") and not (name == "learning_rate" and isinstance(item, float))
        }
    if isinstance(value, list | tuple):
        return [_known(item, functions=functions) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise _Unknown(type(value).__name__)


def _learned(layer: Any) -> str | None:
    """What a layer has learned from data and its config lacks, as a hash: a graph holds it as a constant."""
    if isinstance(layer, keras.layers.Normalization):
        content = b"".join(keras.ops.convert_to_numpy(each).tobytes() for each in layer.variables)
    elif type(layer) in _WITH_VOCABULARY and layer.get_config()["output_mode"] != "tf_idf":
        content = json.dumps(layer.get_vocabulary(), default=str).encode()
    elif hasattr(layer, "adapt") and not isinstance(layer, keras.layers.Discretization):
        raise _Unknown(type(layer).__name__)
    else:
        return None
    return hashlib.sha256(content).hexdigest()


@cache
def _keras_attributes() -> frozenset[str]:
    """The names of the attributes that Keras itself sets on a model."""
    example = keras.Input((1,))
    models = [keras.Sequential([example]), keras.Model(example, example)]
    for model in models:
        model.compile()
    return frozenset(name for model in models for name in vars(model)) | _SET_BY_TRAINING


def _overrides(part: Any) -> str:
    if any(name in vars(part) for name in _OVERRIDABLE) or not all(map(_is_keras_own, [part, *_held(part)])):
        raise _Unknown(type(part).__name__)
    return type(part).__name__


def _held(part: Any) -> list[Any]:
    """The objects that a layer calls: activations, regularisers, constraints, cells; initialisers have run already."""
    return [value for name, value in vars(part).items() if callable(value) and not name.endswith("_initializer")]


def _is_keras_own(value: Any) -> bool:
    """Whether an object's class, or a function, is defined in Keras under a name."""
    kind = value if hasattr(value, "__qualname__") else type(value)
    return kind.__module__.split(".")[0] == "keras" and "<" not in kind.__qualname__


def _compilation(model: keras.Model) -> list[Any]:
    given = {**compile_arguments(model), "optimizer": model.optimizer, "jit_compile": bool(model.jit_compile)}
    called = [value for value in keras.tree.flatten(given) if callable(value)]
    hidden = hasattr(model.optimizer, "optimizers") or excludes_from_weight_decay(model.optimizer)
    if hidden or not all(map(_is_keras_own, [model.optimizer, *called])):
        raise _Unknown(str(called))
    # The configs of some losses and metrics lack what they pass to their functions, such as the delta of Huber.
    arguments = [wrapped_arguments(value) for value in called]
    return [_known(keras.saving.serialize_keras_object(given), functions=True), arguments]
