"""Traced epochs, kept for the next trial of the same architecture.

Tracing takes 0.5 to 1 s, and training a small epoch 0.25 s. A trial whose model differs from an earlier one only in
numbers and in its initial weights takes over the earlier one's graph: the new values are copied into its variables. The
result is the same, to the last digit, as with its own trace; where that cannot be known, there is no reuse.

A number that is read from a variable costs a little in every step, and TensorFlow folds constants together in ways that
it cannot with variables. So only numbers that stand in the trial's config become variables: that is the same whatever
was trained before, and with it the result.
"""

import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence, Set
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.space import leaves
from pipeline.training.arrays import DeviceData
from pipeline.training.internals import (
    build_metrics,
    captured_variables,
    is_functional,
    learning_rate_of,
    ordered_sums,
)
from pipeline.training.state import save_variables, skip_reductions, variables_of
from pipeline.training.symbolic_floats import FloatAttribute, float_attributes
from pipeline.training.trace_key import trace_key

_CACHED_TRACES = 16
_MAX_TRACE_BYTES = 512 * 2**20


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
        model.optimizer.build(model.trainable_variables)
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
        self.initial_slots = save_variables(model.optimizer.variables)
        self.trace_key: str | None = None
        self._owner: weakref.ref[Any] | None = None

    @property
    def bytes(self) -> int:
        return sum(int(np.prod(variable.shape)) * 4 for variable in variables_of(self.model))

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
        for variable, value in zip(self.model.optimizer.variables, self.initial_slots, strict=True):
            variable.assign(value)
        if isinstance(_rate(model), keras.Variable):
            _rate(self.model).assign(_rate(model).value)
        for place in places:
            if place.path in self.free:
                self.free[place.path].assign(place.value)
        self.model.reset_metrics()


class Traces:
    def __init__(self, parts: int = 1) -> None:
        self._max_traces = parts * _CACHED_TRACES
        self._kept: OrderedDict[int, Trace] = OrderedDict()
        self.made = 0

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, model: keras.Model, data: DeviceData, batch_size: int, values: Collection[Any]) -> Trace:
        """The trace for a model: an existing one with the model's values, or a new one."""
        places = float_attributes(model)
        key = trace_key(model, places, batch_size)
        if key is None:
            return self.own(model, data, batch_size)
        numbers = {place.path: place.value for place in places}
        named = _named(values)
        free = {path for path, value in numbers.items() if value in named}
        for trace in reversed(self._kept.values()):
            if trace.in_use or trace.data is not data or trace.trace_key != key or not trace.serves(numbers, free):
                continue
            # A callback may have changed the model that the trace was made of.
            if trace_key(trace.model, float_attributes(trace.model), batch_size) == key:
                self._kept.move_to_end(id(trace))
                trace.take_over(model, places)
                return trace
        self._make_room()
        trace = Trace(model, data, batch_size, places, free)
        self.made += 1
        if not trace.state:
            # Its graphs read only known variables of Keras.
            trace.trace_key = key
            self._kept[id(trace)] = trace
        return trace

    def own(self, model: keras.Model, data: DeviceData, batch_size: int) -> Trace:
        """A trace of a model that no other trial takes over."""
        self.made += 1
        return Trace(model, data, batch_size, float_attributes(model), set())

    def _make_room(self) -> None:
        """Delete the oldest traces, and large ones: a trace keeps its model in memory."""
        for key, trace in list(self._kept.items()):
            size = sum(trace.bytes for trace in self._kept.values())
            if len(self._kept) < self._max_traces and size <= _MAX_TRACE_BYTES:
                return
            if not trace.in_use:
                del self._kept[key]


def _named(values: Collection[Any]) -> set[float]:
    """The numbers of a config, in Keras' precision as well; 0 and 1 are what graphs branch on."""
    named = [leaf for value in values for leaf in leaves(value)]
    numbers = {float(leaf) for leaf in named if isinstance(leaf, int | float) and not isinstance(leaf, bool)} - {
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


def _rate(model: keras.Model) -> Any:
    optimizer = model.optimizer
    return learning_rate_of(getattr(optimizer, "inner_optimizer", optimizer))
