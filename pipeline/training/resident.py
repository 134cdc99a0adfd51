"""A data set as tensors that stay in this process, made once for all its trials."""

import copy
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.datasets import Dataset, Split
from pipeline.training.folds import Fold

__all__ = ["Resident", "as_batch", "example_of"]


def as_batch(split: Split) -> tuple[Any, ...]:
    """A split as Keras' train_step takes it: (x, y) or (x, y, sample_weight), floats as Keras' fit would have them.

    Args:
        split: Rows; one weight per row serves every output.
    """
    x, y = _as_fit_takes_it(split.x), _as_fit_takes_it(split.y)
    if split.weight is None:
        return x, y
    weight = _as_fit_takes_it(split.weight)
    return x, y, keras.tree.map_structure(lambda _: weight, y)


def example_of(split: Split, *, rows: int = 1) -> Any:
    """The inputs of the first rows, as tensors: one is enough for a model to learn its shapes from."""
    return keras.tree.map_structure(lambda array: tf.constant(array[:rows]), _as_fit_takes_it(split.x))


class Resident:
    """Training and validation rows as tensors.

    Args:
        data: The data set.
    """

    def __init__(self, data: Dataset) -> None:
        self.train_rows, self.validation_rows = data.train.rows, data.validation.rows
        self.train = keras.tree.map_structure(tf.constant, as_batch(data.train))
        self.validation = keras.tree.map_structure(tf.constant, as_batch(data.validation))
        self.in_order = tf.range(self.validation_rows, dtype=tf.int32)
        self._rows: np.ndarray | None = None

    def part(self, fold: Fold) -> "Resident":
        """The same tensors, of which a fold's rows are learned from and compared by; nothing is copied."""
        if fold.train is None or fold.validation is None:
            return self
        part = copy.copy(self)
        part.validation = self.train
        part.train_rows, part.validation_rows = len(fold.train), len(fold.validation)
        part.in_order, part._rows = tf.constant(fold.validation), fold.train
        return part

    def ordered(self, order: np.ndarray) -> Any:
        """Training rows in an order.

        Args:
            order: A permutation of 0 to train_rows - 1, int32.

        Returns:
            The rows' places in the tensors, int32.
        """
        return tf.constant(order if self._rows is None else self._rows[order])


def _as_fit_takes_it(tree: Any) -> Any:
    if isinstance(tree, np.ndarray):
        # Keras' fit gives floats of any width in its own, and leaves integers as they are.
        other_float = np.issubdtype(tree.dtype, np.floating) and tree.dtype.name != keras.config.floatx()
        return tree.astype(keras.config.floatx()) if other_float else tree
    if isinstance(tree, tuple | list):
        return tuple(_as_fit_takes_it(item) for item in tree)
    return {name: _as_fit_takes_it(item) for name, item in tree.items()}
