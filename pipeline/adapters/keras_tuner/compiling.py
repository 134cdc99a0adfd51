"""The arguments of `compile` that a tuner has for all its models."""

from collections.abc import Mapping
from typing import Any

__all__ = ["COMPILE", "compiled"]

COMPILE = ("optimizer", "loss", "metrics")
"""The arguments of a tuner that take precedence over those with which a model was compiled."""


def compiled(model: Any, tuner: Mapping[str, Any]) -> Any:
    """A model, compiled again where the tuner has arguments for it.

    Args:
        model: The model, compiled or not; what is no model stays as it is.
        tuner: The arguments of the tuner.

    Returns:
        The model itself.
    """
    given = {name: _new(tuner[name]) for name in COMPILE if tuner.get(name)}
    if given and hasattr(model, "compile"):
        from keras.saving import deserialize_keras_object

        own = (model.get_compile_config() or {}) if model.compiled else {}
        model.compile(
            **{**{name: deserialize_keras_object(value, safe_mode=True) for name, value in own.items()}, **given}
        )
    return model


def _new(value: Any) -> Any:
    """A separate value for one model: an optimizer, a loss or a metric has variables of the model."""
    from keras.saving import deserialize_keras_object, serialize_keras_object

    if isinstance(value, list | tuple):
        return [_new(each) for each in value]
    if isinstance(value, Mapping):
        return {name: _new(each) for name, each in value.items()}
    if not hasattr(value, "get_config"):
        return value
    return deserialize_keras_object(serialize_keras_object(value), safe_mode=True)
