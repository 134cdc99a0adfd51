"""Whether targets fit a model's loss: Keras raises for some mistakes, and broadcasts or ignores others."""

from typing import Any

import keras
import numpy as np

from pipeline.datasets import Dataset, Split
from pipeline.training.build import has_call
from pipeline.training.device_data import example_of
from pipeline.training.fixed_rows import fixed_rows

_NAMES = {"train": "training", "validation": "validation", "test": "test"}
ONE_HOT = (
    "Integer labels need loss='sparse_categorical_crossentropy'; categorical_crossentropy takes one-hot rows: "
    "convert them with keras.utils.to_categorical."
)
"""What to do about integer labels where one-hot rows are needed."""

_INTEGERS = (
    "One-hot rows need loss='categorical_crossentropy'; sparse_categorical_crossentropy takes integer labels: "
    "convert them with y.argmax(axis=-1)."
)
_ANY = "Change the last layer, the loss or the targets."
_OTHER_TARGETS = ("categorical_generalized_cross_entropy", "circle", "ctc")
"""Losses whose targets have another shape than the output, such as the number of a class."""

_WITH_PROBABILITIES = ("binary_crossentropy", "categorical_crossentropy")


def mismatch(model: keras.Model, data: Dataset) -> tuple[str, str] | None:
    """Why the targets do not fit a model's output.

    Only models with one output and a loss of Keras are checked: a user's loss may take anything.
    """
    loss = _name(model.loss)
    if not isinstance(data.train, Split) or not has_call(model):
        return None
    output = model(example_of(data.train, rows=fixed_rows(model) or 1))
    if loss is None or loss in _OTHER_TARGETS or not hasattr(output, "shape"):
        return None
    width = tuple(output.shape[1:])
    ignored = getattr(model.loss, "ignore_class", None)
    for name, split in data.arrays.items():
        if isinstance(split.y, np.ndarray) and (problem := _problem(loss, width, split.y, ignored)):
            why = f"{problem} The {_NAMES[name]} split has targets of shape {split.y.shape}, and the loss is {loss}."
            return why, _remedy(loss, width, split.y)
    return None


def _name(loss: Any) -> str | None:
    if loss is None or isinstance(loss, list | tuple | dict):
        return None
    function = keras.losses.get(loss)
    home = getattr(function, "__module__", None) or type(function).__module__
    return str(getattr(function, "name", None) or function.__name__) if home.startswith("keras.") else None


def _problem(loss: str, width: tuple[int, ...], targets: np.ndarray, ignored: int | None) -> str | None:
    rows = targets.shape[1:]
    if loss == "sparse_categorical_crossentropy":
        if rows not in (width[:-1], (*width[:-1], 1)):
            return f"It takes one class number for each output of shape {width}."
        counted = targets if ignored is None else targets[targets != ignored]
        if not counted.size:
            return None
        low, high = counted.min(), counted.max()
        if low < 0 or high >= width[-1] or (targets != np.floor(targets)).any():
            return f"The model has {width[-1]} classes, and the targets range from {low:g} to {high:g}."
        return None
    # Keras itself adds and takes away a last dimension of one.
    if not {rows, _squeezed(rows)} & {width, _squeezed(width)}:
        return f"The model gives {width} for a row, and the targets have {rows}."
    if loss in _WITH_PROBABILITIES and not ((targets >= 0) & (targets <= 1)).all():
        return f"The loss takes targets from 0 to 1, and they go from {targets.min():g} to {targets.max():g}."
    return None


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:-1] if shape and shape[-1] == 1 else shape


def _remedy(loss: str, width: tuple[int, ...], targets: np.ndarray) -> str:
    rows = targets.shape[1:]
    if loss == "categorical_crossentropy" and _squeezed(rows) == width[:-1] and (targets == np.floor(targets)).all():
        return ONE_HOT
    if loss == "sparse_categorical_crossentropy" and rows == width and (targets.sum(axis=-1) == 1).all():
        return _INTEGERS
    return _ANY
