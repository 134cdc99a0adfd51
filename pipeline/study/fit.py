"""How a trial's model trains: the arguments of Keras' fit, and phases, each of which is a call of fit."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any

from pydantic import PlainValidator

from pipeline.space.values import STRICT_CONFIG, plain
from pipeline.study.code import Code, value_or_code


def _whole(value: Any) -> int | None:
    value = plain(value)
    if value is not None and (type(value) is not int or not 1 <= value < 2**31):
        raise ValueError("must be a whole number of at least 1, or a function of the config that returns one")
    return value


def _class_weight(value: Any) -> dict[int, float] | None:
    if value is None:
        return None
    allowed = (
        "must be a dict from the numbers of classes to their weights, such as {0: 1.0, 1: 5.0}, or a function of the "
        "config that returns one"
    )
    if not isinstance(value, Mapping) or not value:
        raise ValueError(allowed)
    weights = {}
    for key, weight in value.items():
        name, number = plain(key), plain(weight)
        # Keys of an object in JSON are text.
        if isinstance(name, str) and name.isdecimal():
            name = int(name)
        if type(name) is not int or name < 0 or isinstance(number, bool) or not isinstance(number, int | float):
            raise ValueError(allowed)
        # A whole number may be too large for a float.
        if not 0 <= number <= sys.float_info.max:
            raise ValueError(f"must have finite weights of at least 0, and class {name} has {_shown(number)}")
        weights[name] = float(number)
    return weights


def _shown(number: float) -> str:
    if isinstance(number, int) and abs(number) > sys.float_info.max:
        return "a number beyond the largest float"
    return f"{number:g}"


def _freq(value: Any) -> int | tuple[int, ...]:
    value = plain(value)
    if type(value) is int and value >= 1:
        return value
    epochs = [plain(one) for one in value] if isinstance(value, list | tuple) else []
    whole = tuple(epoch for epoch in epochs if type(epoch) is int and epoch >= 1)
    if not epochs or len(whole) < len(epochs):
        raise ValueError(
            "must be a whole number of at least 1, a list of epochs from 1, or a function of the config that returns "
            "one of them"
        )
    return whole


def _flag(value: Any) -> bool:
    value = plain(value)
    if not isinstance(value, bool):
        raise ValueError("must be true or false, or a function of the config that returns one of them")
    return value


def _start(value: Any) -> int | str:
    value = plain(value)
    if isinstance(value, str) and value:
        return value
    if type(value) is not int or not 1 <= value < 2**31:
        raise ValueError("must be a whole number of epochs, at least 1, or the name of a hyperparameter")
    return value


READERS: dict[str, Callable[[Any], Any]] = {
    "class_weight": _class_weight,
    "steps_per_epoch": _whole,
    "validation_steps": _whole,
    "validation_freq": _freq,
    "shuffle": _flag,
}
"""Reads a value of each field of Fit; raises ValueError with what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Arguments of Keras' `fit`; each is a value, or a function of the config that returns one.

    Args:
        class_weight: Maps class indices to the weight of their rows in the loss of the training; other classes
            have 1. The model must have one output, and the training split no weights.
        steps_per_epoch: Batches in an epoch. The next epoch continues where the one before ended. An endless training
            pipeline needs it.
        validation_steps: Batches of the validation split on which trials are compared; they are always the first ones.
            An endless validation pipeline needs it.
        validation_freq: Epochs from one validation to the next, or a list of the epochs that are validated. Epochs
            where the scheduler compares trials, and a trial's last one, are always validated; callbacks are not called
            then.
        shuffle: Whether each epoch takes the rows of arrays and Parquet files, or the batches of a `PyDataset`, in a
            new order; if not, in their original order. A `tf.data` pipeline and a generator have their own order.
    """

    __pydantic_config__ = STRICT_CONFIG

    class_weight: Annotated[Any, *value_or_code(_class_weight)] = None
    steps_per_epoch: Annotated[Any, *value_or_code(_whole)] = None
    validation_steps: Annotated[Any, *value_or_code(_whole)] = None
    validation_freq: Annotated[Any, *value_or_code(_freq)] = 1
    shuffle: Annotated[Any, *value_or_code(_flag)] = True

    @property
    def given(self) -> dict[str, Any]:
        """The fields that differ from their defaults, by name."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {name: value for name, (value, default) in values.items() if callable(value) or value != default}


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a trial's training that begins with a change of its model, as another call of `fit` does.

    Args:
        at: Epochs that the model trains before the phase begins: a number, or the name of a hyperparameter. A
            callback that stops the training ends the previous phase, and this one begins earlier.
        prepare: A function `prepare(model, config)` that changes the model in place: it unfreezes layers and compiles
            the model again, or sets the learning rate.
    """

    __pydantic_config__ = STRICT_CONFIG

    at: Annotated[Any, PlainValidator(_start)]
    prepare: Code
