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
    name_counters,
    restore_name_counters,
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
                _optimizer(model.optimizer),
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


def _known(value: Any) -> Any:
    """A config, if everything in it is Keras' own, without initialisers: their values are copied."""
    if isinstance(value, dict):
        # What connects the layers of a functional model has no module.
        if value.get("class_name", "__keras_tensor__") != "__keras_tensor__":
            module = str(value.get("module") or "")
            ours = module.split(".")[0] == "keras" and value.get("registered_name") in (None, value["class_name"])
            if not ours or value["class_name"] in ("Lambda", "function"):
                raise _Unknown(value["class_name"])
        return {str(name): _known(item) for name, item in value.items() if not str(name).endswith("_initializer")}
    if isinstance(value, list | tuple):
        return [_known(item) for item in value]
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
    counters = name_counters()
    example = keras.Input((1,))
    models = [keras.Sequential([example]), keras.Model(example, example)]
    for model in models:
        model.compile()
    restore_name_counters(counters)
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
    given = compile_arguments(model).items()
    arguments = {name: _argument(value) for name, value in given if name not in ("optimizer", "jit_compile")}
    return [arguments, bool(model.jit_compile)]


def _argument(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _argument(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_argument(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    kind = value if hasattr(value, "__qualname__") else type(value)
    if not _is_keras_own(value):
        raise _Unknown(kind.__qualname__)
    name = f"{kind.__module__}.{kind.__qualname__}"
    return [name, _known(value.get_config())] if kind is type(value) else name


def _optimizer(optimizer: Any) -> list[Any]:
    if type(optimizer).__module__.split(".")[0] != "keras":
        raise _Unknown(type(optimizer).__name__)
    if excludes_from_weight_decay(optimizer):
        raise _Unknown("exclude_from_weight_decay")
    config = dict(optimizer.get_config())
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        config["inner_optimizer"] = _optimizer(inner)
    if isinstance(config.get("learning_rate"), float):
        # A variable of the optimiser, copied like all of them.
        config["learning_rate"] = "variable"
    return [
        type(optimizer).__name__,
        {name: item if name == "inner_optimizer" else _known(item) for name, item in config.items()},
    ]
