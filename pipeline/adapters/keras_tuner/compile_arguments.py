"""The arguments of `compile` that a tuner has for all its models."""

from collections.abc import Mapping
from typing import Any

COMPILE = ("optimizer", "loss", "metrics")
"""The arguments of a tuner that take precedence over those with which a model was compiled."""


def recompile(model: Any, tuner: Mapping[str, Any]) -> Any:
    """A model, compiled again where the tuner has arguments for it."""
    given = {name: _new(tuner[name]) for name in COMPILE if tuner.get(name)}
    if given and hasattr(model, "compile"):
        from pipeline.training.internals import compile_arguments

        own = (compile_arguments(model) or {}) if model.compiled else {}
        model.compile(**{**own, **given})
    return model


def _new(value: Any) -> Any:
    """A separate value for one model: an optimizer or a metric has variables of the model."""
    import keras

    if isinstance(value, list | tuple):
        return [_new(each) for each in value]
    if isinstance(value, Mapping):
        return {name: _new(each) for name, each in value.items()}
    if not isinstance(value, keras.optimizers.Optimizer | keras.metrics.Metric):
        return value
    # By its class: a class or function that the program defines is not registered with Keras.
    return type(value).from_config(value.get_config())
