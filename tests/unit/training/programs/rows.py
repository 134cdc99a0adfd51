"""Rows of numbers, from arrays, pipelines, PyDatasets and generators."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from pipeline.datasets import Dataset, Split

ROWS, VALIDATION = 52, 20


def _rows(seed: int = 0, rows: int = ROWS, width: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, width)).astype("float32")
    return x, (x.sum(axis=1) > 0).astype("float32")


def dense(config: Mapping[str, Any]) -> keras.Model:
    """A small dense network for two classes."""
    model = keras.Sequential(
        [layers.Input((6,)), layers.Dense(4, "relu"), layers.Dropout(0.2), layers.Dense(1, "sigmoid")]
    )
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    return model


def shuffled() -> Dataset:
    """Rows that are shuffled in each epoch, without their own seed."""
    train = tf.data.Dataset.from_tensor_slices(_rows()).shuffle(ROWS).batch(8).prefetch(2)
    return Dataset("shuffled", train, tf.data.Dataset.from_tensor_slices(_rows(1, VALIDATION)).batch(8))


def shuffled_of_unknown_length() -> Dataset:
    """Shuffled rows of which some are left out, so that the number of batches is unknown."""
    data = shuffled()
    return Dataset("unknown", data.train.unbatch().filter(lambda x, _: x[0] > -1).shuffle(9).batch(8), data.validation)


def repeated() -> Dataset:
    """Two passes over shuffled rows, each in its own order, make an epoch."""
    data = shuffled()
    rows = tf.data.Dataset.from_tensor_slices(_rows()).shuffle(ROWS).repeat(2).batch(8)
    return Dataset("repeated", rows, data.validation)


class Rows(keras.utils.PyDataset):
    """Rows, a batch at a time."""

    def __init__(self, seed: int, rows: int) -> None:
        super().__init__()
        self._x, self._y = _rows(seed, rows)

    def __len__(self) -> int:
        return -(-len(self._x) // 8)

    def __getitem__(self, index: int) -> Any:
        rows = slice(index * 8, index * 8 + 8)
        return self._x[rows], self._y[rows]


class ShuffledRows(Rows):
    """Rows in a new order after each epoch, from its own generator."""

    def __init__(self, seed: int, rows: int) -> None:
        super().__init__(seed, rows)
        self._rng = np.random.default_rng(seed)

    def on_epoch_end(self) -> None:
        """Shuffle."""
        order = self._rng.permutation(len(self._x))
        self._x, self._y = self._x[order], self._y[order]


def py_dataset() -> Dataset:
    """Rows from a PyDataset."""
    return Dataset("py", Rows(0, ROWS), Rows(1, VALIDATION))


def shuffled_py_dataset() -> Dataset:
    """Rows from a PyDataset with its own state."""
    return Dataset("py", ShuffledRows(0, ROWS), Rows(1, VALIDATION))


def generated() -> Iterator[Any]:
    """Batches in a random order."""
    x, y = _rows()
    order = np.random.permutation(ROWS)
    for begin in range(0, ROWS, 8):
        yield x[order[begin : begin + 8]], y[order[begin : begin + 8]]


def generators() -> Dataset:
    """Batches of a generator function, compared on arrays."""
    return Dataset("generated", generated, Split(*_rows(1, VALIDATION)))


def without_targets() -> Dataset:
    """Inputs alone."""
    train = tf.data.Dataset.from_tensor_slices(_rows()[0]).shuffle(ROWS).batch(8)
    return Dataset("inputs", train)


def mixed() -> Dataset:
    """Arrays to train on, and a pipeline to compare by."""
    return Dataset("mixed", Split(*_rows()), shuffled().validation)
