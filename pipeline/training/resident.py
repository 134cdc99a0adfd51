"""A data set as tensors that stay in this process, made once for all its trials."""

from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.datasets import Dataset, Split

__all__ = ["Resident", "as_batch"]


def as_batch(split: Split) -> tuple[Any, ...]:
    """A split as Keras' train_step takes it: (x, y) or (x, y, sample_weight)."""
    x = _plain(split.x)
    y = _plain(split.y)
    return (x, y) if split.weight is None else (x, y, split.weight)


class Resident:
    """Training and validation rows as tensors.

    Args:
        data: The data set.
    """

    def __init__(self, data: Dataset) -> None:
        self.rows, self.validation_rows = data.train.rows, data.validation.rows
        self.train = tf.nest.map_structure(tf.constant, as_batch(data.train))
        self.validation = tf.nest.map_structure(tf.constant, as_batch(data.validation))
        self.validation_order = tf.range(self.validation_rows, dtype=tf.int32)
        self.example = tf.nest.map_structure(lambda tensor: tensor[:1], self.train[0])
        shapes = tf.nest.map_structure(lambda tensor: (tensor.shape.as_list(), tensor.dtype.name), self.train)
        self.signature = str(shapes)


def _plain(tree: Any) -> Any:
    if isinstance(tree, np.ndarray):
        return tree
    if isinstance(tree, tuple):
        return tuple(_plain(item) for item in tree)
    return {name: _plain(item) for name, item in tree.items()}
