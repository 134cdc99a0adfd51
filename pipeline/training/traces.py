"""Traced epochs, kept for the next trial of the same architecture.

Tracing costs half a second to a second, training a small epoch a quarter of one. A trial whose model differs from an
earlier one only in numbers and in its initial weights takes over the earlier one's graph: the new values are copied
into its variables. The result is the same, to the last digit, as with a trace of its own; where that cannot be known,
there is no reuse.
"""

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras

from pipeline.training.epoch import compiled
from pipeline.training.numbers import Place, numbers_of

__all__ = ["Trace", "Traces"]

_LIMIT = 24


@dataclass(slots=True)
class Trace:
    """A model whose epochs are, or will be, compiled.

    Args:
        model: The model; its variables hold the state of the trial in hand.
        train: Steps of training; see `epoch.compiled`.
        evaluate: Steps of validation.
        places: Numbers that became variables.
        baked: Numbers that turned out to be constants of the graph, by path.
        checked: Whether the graphs were looked at for that.
    """

    model: keras.Model
    train: Callable[..., Any]
    evaluate: Callable[..., Any]
    places: list[Place]
    baked: dict[str, float] = field(default_factory=dict)
    checked: bool = False

    def trace(self) -> None:
        """Trace both functions, and find out which numbers their graphs do not read: those are constants there."""
        self.train.get_concrete_function()
        self.evaluate.get_concrete_function()
        read = {id(v) for f in (self.train, self.evaluate) for v in f.get_concrete_function().graph.variables}
        self.baked = {place.path: place.value for place in self.places if id(place.variable) not in read}
        self.checked = True

    def fits(self, numbers: dict[str, float]) -> bool:
        """Whether a model with those numbers may use this trace."""
        return self.checked and all(numbers.get(path) == value for path, value in self.baked.items())


class Traces:
    """The traces of this process, the newest few dozen."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, list[Trace]] = OrderedDict()
        self.traced = 0

    def of(self, model: keras.Model, make: Callable[[keras.Model], tuple[Any, Any]], signature: str) -> Trace:
        """The trace for a freshly built model: one that is there, with the model's values, or a new one.

        Args:
            model: Compiled and built, with its initial weights.
            make: Makes the functions for training and evaluation of a model.
            signature: What else the functions depend on.
        """
        numbers = numbers_of(model)
        key = _key(model, numbers, signature)
        values = {place.path: place.value for place in numbers}
        if key is not None:
            for trace in self._kept.get(key, ()):
                if trace.fits(values):
                    self._kept.move_to_end(key)
                    _take_over(trace, model, values)
                    return trace
        _spare_the_reduction(model.optimizer)
        if key is not None:
            for place in numbers:
                place.replace()
        trace = Trace(model, *make(model), places=numbers if key is not None else [])
        self.traced += 1
        if key is not None:
            self._keep(key, trace)
        return trace

    def _keep(self, key: str, trace: Trace) -> None:
        self._kept.setdefault(key, []).append(trace)
        self._kept.move_to_end(key)
        while sum(len(traces) for traces in self._kept.values()) > _LIMIT:
            oldest = next(iter(self._kept))
            self._kept[oldest].pop(0)
            if not self._kept[oldest]:
                del self._kept[oldest]


def functions(data: Any, validation: Any, rows: tuple[int, int], batch_size: int, *, jit_compile: bool) -> Any:
    """What `Traces.of` makes of a model.

    Args:
        data: Training tensors, nested as the model's train_step takes them.
        validation: Validation tensors.
        rows: Number of rows of both.
        batch_size: Rows in a step.
        jit_compile: Whether XLA compiles the steps.
    """

    def make(model: keras.Model) -> tuple[Any, Any]:
        train = compiled(
            model.train_step, data, rows[0], batch_size, jit_compile=jit_compile, stop_at_nan=True
        )
        evaluate = compiled(
            model.test_step, validation, rows[1], batch_size, jit_compile=jit_compile, stop_at_nan=False
        )
        return train, evaluate

    return make


def _key(model: keras.Model, places: list[Place], signature: str) -> str | None:
    """What two models must share for one's trace to serve the other; None where that cannot be told.

    Only models made of Keras' own parts tell all about themselves: a subclass may branch on anything.
    """
    layers = list(model._flatten_layers(include_self=False))
    if type(model).__name__ not in ("Sequential", "Functional"):
        return None
    if not all(type(part).__module__.startswith("keras.") for part in [model, *layers, model.optimizer]):
        return None
    if any(isinstance(layer, keras.layers.Lambda) for layer in layers):
        return None
    paths = {place.path for place in places}
    try:
        compilation = {**model.get_compile_config(), "optimizer": _optimizer(model.optimizer, paths)}
        outline = [
            [[type(layer).__name__, _layer(layer.get_config(), f"layer{i}", paths)] for i, layer in enumerate(layers)],
            _wiring(model, layers),
            compilation,
            [(list(variable.shape), str(variable.dtype)) for variable in model.variables],
            [place.path for place in places],
            [place.value == 0 for place in places],
            signature,
        ]
        return json.dumps(outline, sort_keys=True)
    except (TypeError, ValueError, NotImplementedError):
        return None


def _layer(config: dict[str, Any], path: str, paths: set[str]) -> dict[str, Any]:
    """A layer's config without what the trace does not depend on: initial values, and numbers that are variables."""
    kept: dict[str, Any] = {}
    for name, value in config.items():
        if name.endswith("_initializer"):
            continue
        if f"{path}.{name}" in paths:
            kept[name] = "variable"
        elif isinstance(value, dict) and isinstance(value.get("config"), dict):
            kept[name] = {**value, "config": _layer(value["config"], f"{path}.{name}", paths)}
        else:
            kept[name] = value
    return kept


def _optimizer(optimizer: Any, paths: set[str]) -> list[Any]:
    config = _layer(optimizer.get_config(), "optimizer", paths)
    if isinstance(config.get("learning_rate"), float):
        config["learning_rate"] = "variable"
    return [type(optimizer).__name__, config]


def _wiring(model: keras.Model, layers: list[Any]) -> list[Any]:
    """How the layers hang together: for each call of a layer, its number and those of the layers before it."""
    numbers = {id(layer): number for number, layer in enumerate(layers)}
    return [
        [number, [numbers.get(id(parent.operation), -1) for parent in node.parent_nodes]]
        for number, layer in enumerate(layers)
        for node in layer._inbound_nodes
    ]


def _take_over(trace: Trace, model: keras.Model, numbers: dict[str, float]) -> None:
    """Give a trace's model the initial state and the numbers of a model that was just built."""
    model.optimizer.build(model.trainable_variables)
    for old, new in zip(trace.model.variables, model.variables, strict=True):
        old.assign(new)
    for old, new in zip(trace.model.optimizer.variables, model.optimizer.variables, strict=True):
        old.assign(new)
    for place in trace.places:
        place.variable.assign(numbers[place.path])
    trace.model.reset_metrics()


def _spare_the_reduction(optimizer: Any) -> None:
    """On one replica a sum over replicas is the value itself; each trace of Keras' one leaves 7 MB for good."""
    while optimizer is not None:
        if hasattr(optimizer, "_all_reduce_sum_gradients"):
            optimizer._all_reduce_sum_gradients = lambda grads_and_vars: grads_and_vars
        optimizer = getattr(optimizer, "inner_optimizer", None)
