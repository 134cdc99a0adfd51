"""Traced epochs, kept for the next trial of the same architecture.

Tracing takes 0.5 to 1 s, and training a small epoch 0.25 s. A trial whose model differs from an
earlier one only in numbers and in its initial weights takes over the earlier one's graph: the new values are copied
into its variables. The result is the same, to the last digit, as with its own trace; where that cannot be known,
there is no reuse.

A number that is read from a variable costs a little in every step, and TensorFlow folds constants together in ways that
it cannot with variables. So only numbers that stand in the trial's config become variables: that is the same whatever
was trained before, and with it the result.
"""

import weakref
from collections import OrderedDict
from collections.abc import Collection, Sequence, Set
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.space import leaves
from pipeline.training.compiled_epoch import trace_epoch
from pipeline.training.device_data import DeviceData
from pipeline.training.further_state import skip_reductions
from pipeline.training.internals import (
    build_metrics,
    captured_variables,
    is_functional,
    learning_rate_of,
)
from pipeline.training.state import save_variables
from pipeline.training.symbolic_floats import FloatAttribute, float_attributes
from pipeline.training.trace_key import trace_key

_CACHED_TRACES = 16
_MAX_TRACE_BYTES = 512 * 2**20


class Trace:
    """A model with its compiled epochs."""

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
        functions = [function for function in (self.train, self.evaluate) if function is not None]
        read = [captured_variables(function.graph) for function in functions]
        self._known = None not in read
        captured = {id(variable): variable for variables in read for variable in variables or ()}
        self.free = {p.path: p for p in places if p.path in free and id(p.variable) in captured and not p.escaped}
        # Asking for a number that no graph reads changes nothing.
        self._unread = {p.path for p in places if p.path in free and id(p.variable) not in captured and not p.escaped}
        self._asked = free - self._unread
        self.fixed = {place.path: place.value for place in places if place.path not in self.free}
        self.state = self._state(captured, places)
        self.initial_slots = save_variables(model.optimizer.variables)
        self.trace_key: str | None = None
        self._owner: weakref.ref[Any] | None = None

    @property
    def bytes(self) -> int:
        """Size of all variables."""
        return sum(int(np.prod(v.shape)) * 4 for v in (*self.model.variables, *self.model.optimizer.variables))

    @property
    def reusable(self) -> bool:
        """Whether other trials may use it: its graphs read only known variables of Keras."""
        return self._known and not self.state

    @property
    def in_use(self) -> bool:
        """Whether a trial that is not closed uses it."""
        return self._owner is not None and self._owner() is not None

    def lend(self, owner: Any) -> None:
        """Reserve the trace until the owner gives it back or is garbage-collected."""
        self._owner = weakref.ref(owner)

    def give_back(self) -> None:
        """Release the trace for the next trainer."""
        self._owner = None

    def serves(self, numbers: dict[str, float], free: Set[str]) -> bool:
        """Whether this graph is also that of a model with other numbers."""
        same_graph = free - self._unread == self._asked
        return same_graph and all(numbers.get(path) == value for path, value in self.fixed.items())

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

    def _state(self, captured: dict[int, Any], places: list[FloatAttribute]) -> list[Any]:
        """Variables that a graph reads and that are neither the model's, the optimiser's, a metric's nor a number."""
        model = self.model
        known = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
        known += [variable for metric in model.metrics for variable in metric.variables]
        ids = {id(variable.value) for variable in known} | {id(place.variable) for place in places}
        return [variable for key, variable in captured.items() if key not in ids]


class Traces:
    """The newest traces of this process."""

    def __init__(self, parts: int = 1) -> None:
        self._max_traces = parts * _CACHED_TRACES
        self._kept: OrderedDict[int, Trace] = OrderedDict()
        self.made = 0

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, model: keras.Model, data: DeviceData, batch_size: int, values: Collection[Any]) -> Trace:
        """The trace for a model: an existing one with the model's values, or a new one."""
        places = float_attributes(model)
        text = trace_key(model, places, batch_size)
        if text is None:
            return self.own(model, data, batch_size)
        numbers = {place.path: place.value for place in places}
        named = _named(values)
        free = {path for path, value in numbers.items() if value in named}
        for trace in reversed(self._kept.values()):
            if trace.in_use or trace.data is not data or trace.trace_key != text or not trace.serves(numbers, free):
                continue
            # A callback may have changed the model that the trace was made of.
            if trace_key(trace.model, float_attributes(trace.model), batch_size) == text:
                self._kept.move_to_end(id(trace))
                trace.take_over(model, places)
                return trace
        self._make_room()
        trace = Trace(model, data, batch_size, places, free)
        self.made += 1
        if trace.reusable:
            trace.trace_key = text
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
    numbers = {float(leaf) for leaf in named if isinstance(leaf, int | float) and not isinstance(leaf, bool)}
    named_numbers = numbers - {0.0, 1.0}
    # A number beyond the range of float32 is infinite there, as it is for Keras.
    with np.errstate(over="ignore"):
        return named_numbers | {float(np.float32(value)) for value in named_numbers}


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
