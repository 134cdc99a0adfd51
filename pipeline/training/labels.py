"""Whether targets are what a model's loss takes: Keras raises for some mistakes, and broadcasts or ignores others."""

from typing import Any

import keras
import numpy as np

from pipeline.datasets import Dataset
from pipeline.training.resident import example_of

__all__ = ["mismatch"]

_WITH_PROBABILITIES = ("binary_crossentropy", "categorical_crossentropy")


def mismatch(model: keras.Model, data: Dataset) -> str | None:
    """What does not fit between the targets and a model's output; None where nothing is known to be wrong.

    Only a model of one output with a loss of Keras' own is looked at: what a loss of the user's takes is theirs to say.

    Args:
        model: Compiled and built.
        data: The data set.
    """
    loss = _name(model.loss)
    output = model(example_of(data.train))
    if loss is None or not hasattr(output, "shape"):
        return None
    width = tuple(output.shape[1:])
    for name, split in (("training", data.train), ("validation", data.validation), ("test", data.test)):
        if split is not None and isinstance(split.y, np.ndarray) and (told := _told(loss, width, split.y)):
            return f"{told} The {name} split has targets of shape {split.y.shape}, and the loss is {loss}."
    return None


def _name(loss: Any) -> str | None:
    if loss is None or isinstance(loss, list | tuple | dict):
        return None
    found = keras.losses.get(loss)
    home = getattr(found, "__module__", None) or type(found).__module__
    return str(getattr(found, "name", None) or found.__name__) if home.startswith("keras.") else None


def _told(loss: str, width: tuple[int, ...], targets: np.ndarray) -> str | None:
    rows = targets.shape[1:]
    if loss == "sparse_categorical_crossentropy":
        if rows not in (width[:-1], (*width[:-1], 1)):
            return f"It takes one class number for each output of shape {width}."
        low, high = targets.min(), targets.max()
        if low < 0 or high >= width[-1] or (targets != np.floor(targets)).any():
            return f"The model tells {width[-1]} classes apart, and the targets go from {low:g} to {high:g}."
        return None
    if _squeezed(rows) != _squeezed(width):
        return f"The model gives {width} for a row, and the targets have {rows}."
    if loss in _WITH_PROBABILITIES and not ((targets >= 0) & (targets <= 1)).all():
        return f"The loss takes targets from 0 to 1, and they go from {targets.min():g} to {targets.max():g}."
    return None


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    # Keras itself takes (rows,) and (rows, 1) for the same.
    return shape[:-1] if shape and shape[-1] == 1 else shape
