"""Splits of arrays: as batches that Keras takes, as tensors in this process, in folds, and the order of their rows."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.datasets import Dataset, Split
from pipeline.errors import DataError


def as_batch(split: Split) -> Any:
    """A split as train_step takes it: x, (x, y) or (x, y, sample_weight), with floats as Keras' fit casts them."""
    return as_fit_takes_it(nested(split))


def nested(split: Split) -> Any:
    """The arrays of a split, not copied, in the structure of a batch: x, (x, y) or (x, y, sample_weight)."""
    x, y, weight = split.x, split.y, split.weight
    if y is None:
        return (x,) if isinstance(x, tuple) else x
    if weight is None:
        return x, y
    if isinstance(weight, tuple | dict):
        return x, y, weight
    return x, y, keras.tree.map_structure(lambda _: weight, y)


def as_fit_takes_it(tree: Any) -> Any:
    """Arrays as Keras' fit takes them: it gives floats of any width in its own, and leaves integers as they are."""

    def cast(array: np.ndarray) -> np.ndarray:
        other_float = np.issubdtype(array.dtype, np.floating) and array.dtype.name != keras.config.floatx()
        return array.astype(keras.config.floatx()) if other_float else array

    return keras.tree.map_structure(cast, tree)


def with_text_as_tensors(tree: Any) -> Any:
    """Arrays with text as tensors, because Keras' fit and evaluate take no NumPy arrays of text."""
    return keras.tree.map_structure(
        lambda array: tf.constant(array) if isinstance(array, np.ndarray) and array.dtype.kind in "OSU" else array, tree
    )


def first_inputs(split: Split) -> Any:
    # The row first: another type of a whole array larger than memory would not fit.
    picked = keras.tree.map_structure(lambda array: array[:1], split.x)
    return keras.tree.map_structure(tf.constant, as_fit_takes_it(picked))


def order_of(rows: int, seed: int, model_epoch: int) -> np.ndarray:
    """The order of the rows in an epoch: from the seed and the epoch alone, so that there is no iterator to save."""
    return np.random.default_rng([seed, model_epoch]).permutation(rows).astype(np.int32)


def steps_of(rows: int, batch_size: int) -> int:
    return math.ceil(rows / batch_size)


def span_of(epoch: int, steps: int, steps_per_epoch: int | None) -> tuple[int, int, int]:
    """The pass and the steps of an epoch that begins where the previous one ended, as in fit: none exceeds a pass."""
    most = min(steps, steps_per_epoch or steps)
    passes, place = divmod(epoch, math.ceil(steps / most))
    return passes, place * most, min((place + 1) * most, steps)


def _classes(targets: np.ndarray) -> np.ndarray:
    if targets.ndim > 1:
        targets = targets.argmax(axis=-1) if targets.shape[-1] != 1 else targets.squeeze(axis=-1)
    return np.round(targets).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """The rows of the training split that a model trains on, and those that validate it; None for the splits."""

    number: int = 0
    train: np.ndarray | None = None
    validation: np.ndarray | None = None


WHOLE = Fold()
"""All of the training split, compared by the validation split."""


def folds_of(split: Split, folds: int, *, seed: int) -> list[Fold]:
    """Divide training rows into folds, each the validation part of one model and in the training part of the others."""
    if folds == 1:
        return [WHOLE]
    if split.rows < folds:
        raise DataError(f"folds is {folds}, and must be at most the number of training rows, {split.rows}.")
    from sklearn.model_selection import KFold, StratifiedKFold

    classes = _classes(split.y) if isinstance(split.y, np.ndarray) else np.zeros((split.rows, 1))
    # Numbers to be predicted, and classes with too few rows, are not divided in equal shares.
    rare = classes.ndim != 1 or np.unique(classes, return_counts=True)[1].min() < folds
    kind = KFold if rare else StratifiedKFold
    divided = kind(folds, shuffle=True, random_state=seed).split(np.zeros(split.rows), classes)
    return [
        Fold(number, train.astype(np.int32), validation.astype(np.int32))
        for number, (train, validation) in enumerate(divided, 1)
    ]


class DeviceData:
    """Training and validation rows as tensors in this process, made once for all its trials."""

    def __init__(self, data: Dataset) -> None:
        self.train_rows = data.train.rows
        self.validation_rows = data.validation.rows if data.validation is not None else 0
        self.train = keras.tree.map_structure(tf.constant, as_batch(data.train))
        self.validation: Any = None
        if data.validation is not None:
            self.validation = keras.tree.map_structure(tf.constant, as_batch(data.validation))
        self.in_order = tf.range(self.validation_rows, dtype=tf.int32)
        self.fold_rows: np.ndarray | None = None

    def part(self, fold: Fold) -> "DeviceData":
        """The same tensors with the training and validation rows of a fold; nothing is copied."""
        if fold.train is None or fold.validation is None:
            return self
        part = copy.copy(self)
        part.validation = self.train
        part.train_rows, part.validation_rows = len(fold.train), len(fold.validation)
        part.in_order, part.fold_rows = tf.constant(fold.validation), fold.train
        return part

    def weighted(self, class_weight: Mapping[int, float]) -> "DeviceData":
        """The same tensors with a weight for each training row; nothing else is copied."""
        if not isinstance(self.train, tuple) or len(self.train) != 2 or not tf.is_tensor(self.train[1]):
            raise DataError(
                "fit.class_weight needs training rows with one target and without weights of their own. Leave it out, "
                "or give each row a weight in the Split."
            )
        weighted, (x, y) = copy.copy(self), self.train
        # Of each row, or of each place within it, as fit derives it from its class.
        classes = _classes(y.numpy())
        labels, places = np.unique(classes, return_inverse=True)
        weights = np.array([class_weight.get(int(label), 1.0) for label in labels], keras.config.floatx())
        weighted.train = (x, y, tf.constant(weights[places].reshape(classes.shape)))
        return weighted

    def ordered(self, order: np.ndarray) -> Any:
        return tf.constant(order if self.fold_rows is None else self.fold_rows[order])
