"""The key under which models share a trace: a text of everything that a trace depends on.

Only Keras' own classes are described completely by their config. A user's class or function may branch on anything, so
its trace is not shared.
"""

import hashlib
import json
from functools import cache
from typing import Any

import keras

from pipeline.training.internals import (
    compile_arguments,
    excludes_from_weight_decay,
    is_functional,
    layers_of,
    learning_rate_of,
    wrapped_arguments,
)
from pipeline.training.symbolic_floats import FloatAttribute, masked

_WITH_VOCABULARY = (keras.layers.StringLookup, keras.layers.IntegerLookup, keras.layers.TextVectorization)
_SET_BY_TRAINING = frozenset({"history", "stop_evaluating", "stop_predicting", "stop_training"})
_OVERRIDABLE = ("call", "train_step", "test_step", "compute_loss", "compute_metrics", "compute_output_shape")


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
    if excludes_from_weight_decay(model.optimizer) or not all(map(_is_keras_own, [model.optimizer, *called])):
        raise _Unknown(str(called))
    # The configs of some losses and metrics lack what they pass to their functions, such as the delta of Huber.
    arguments = [wrapped_arguments(value) for value in called]
    return [_known(keras.saving.serialize_keras_object(given), functions=True), arguments]
