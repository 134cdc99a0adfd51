"""A data set as tensors in this process, made once for all its trials."""

import copy
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.datasets import Dataset, Split
from pipeline.training.fit_arguments import class_weights_of
from pipeline.training.folds import Fold


def as_batch(split: Split) -> Any:
    """A split as Keras' train_step takes it: x, (x, y) or (x, y, sample_weight), with floats as Keras' fit casts
    them.
    """
    return as_fit_takes_it(nested(split))


def nested(split: Split) -> Any:
    """The arrays of a split, not copied, in the structure of a batch: x, (x, y) or (x, y, sample_weight)."""
    x, y, weight = _tuples(split.x), split.y, split.weight
    if y is None:
        return (x,) if isinstance(x, tuple) else x
    y = _tuples(y)
    if weight is None:
        return x, y
    weight = _tuples(weight)
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


def example_of(split: Split, *, rows: int = 1) -> Any:
    """The inputs of the first rows, as tensors."""
    # The rows first: another type of a whole array larger than memory would not fit.
    picked = keras.tree.map_structure(lambda array: array[:rows], _tuples(split.x))
    return keras.tree.map_structure(tf.constant, as_fit_takes_it(picked))


class DeviceData:
    """Training and validation rows as tensors."""

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
        weighted = copy.copy(self)
        x, y = self.train
        weighted.train = (x, y, tf.constant(class_weights_of(y.numpy(), class_weight)))
        return weighted

    def ordered(self, order: np.ndarray) -> Any:
        """Training rows in an order."""
        return tf.constant(order if self.fold_rows is None else self.fold_rows[order])


def _tuples(tree: Any) -> Any:
    if isinstance(tree, np.ndarray):
        return tree
    if isinstance(tree, tuple | list):
        return tuple(map(_tuples, tree))
    return {name: _tuples(item) for name, item in tree.items()}
