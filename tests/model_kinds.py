"""Kinds of models, each with its data: what users may bring, in the smallest form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, optimizers

from pipeline.datasets import Dataset, Split

ROWS, VALIDATION_ROWS = 44, 24


@dataclass(frozen=True)
class Kind:
    build: Callable[[Mapping[str, Any]], keras.Model]
    data: Callable[[], Dataset]
    batch_size: int = 8


class Unregistered(layers.Layer):
    def __init__(self, scale: Any) -> None:
        super().__init__()
        self._scale = scale

    def call(self, x: Any) -> Any:
        return self._scale(x)


def data_of(make: Callable[[np.random.Generator, int], tuple[Any, ...]]) -> Callable[[], Dataset]:

    def data() -> Dataset:
        draw = np.random.default_rng(0)
        splits = [Split(*make(draw, rows)) for rows in (ROWS, VALIDATION_ROWS, VALIDATION_ROWS)]
        return Dataset("tiny", *splits)

    return data


def _numbers(draw: np.random.Generator, *shape: int) -> np.ndarray:
    return draw.normal(size=shape).astype(np.float32)


def _labels(draw: np.random.Generator, rows: int, classes: int = 3) -> np.ndarray:
    return draw.integers(0, classes, rows).astype(np.int32)


rows_of_six = data_of(lambda draw, n: (_numbers(draw, n, 6), _labels(draw, n)))
weighted = data_of(lambda draw, n: (_numbers(draw, n, 6), _labels(draw, n), draw.random(n).astype(np.float32)))
binary = data_of(lambda draw, n: (_numbers(draw, n, 6), draw.integers(0, 2, (n, 1)).astype(np.float32)))
images = data_of(lambda draw, n: (_numbers(draw, n, 6, 6, 2), _labels(draw, n)))
words = data_of(lambda draw, n: (draw.integers(0, 20, (n, 3)).astype(np.int32), _labels(draw, n)))
weighted_targets = data_of(
    lambda draw, n: (
        _numbers(draw, n, 6),
        {"kind": _labels(draw, n), "size": _numbers(draw, n, 1)},
        {"kind": draw.random(n).astype(np.float32), "size": draw.random(n).astype(np.float32)},
    )
)
two_targets = data_of(lambda draw, n: (_numbers(draw, n, 6), {"kind": _labels(draw, n), "size": _numbers(draw, n, 1)}))


def _compiled(model: keras.Model, optimizer: Any, **options: Any) -> keras.Model:
    settings = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], "jit_compile": False}
    model.compile(optimizer=optimizer, **{**settings, **options})
    return model


def dense(config: Mapping[str, Any]) -> keras.Model:
    model = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(3, activation="softmax")])
    return _compiled(model, optimizers.SGD(0.1, momentum=0.9))


def _two_outputs(config: Mapping[str, Any]) -> keras.Model:
    x = keras.Input((6,))
    hidden = layers.Dense(8, activation="relu")(x)
    outputs = {
        "kind": layers.Dense(3, activation="softmax", name="kind")(hidden),
        "size": layers.Dense(1, name="size")(hidden),
    }
    return _compiled(
        keras.Model(x, outputs),
        optimizers.SGD(0.05, momentum=0.8, nesterov=True),
        loss={"kind": "sparse_categorical_crossentropy", "size": "mse"},
        loss_weights={"kind": 1.0, "size": 0.5},
        metrics={"kind": ["accuracy"], "size": ["mae"]},
    )


class Subclass(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.first = layers.Dense(8, activation="relu")
        self.drop = layers.Dropout(0.3)
        self.last = layers.Dense(3, activation="softmax")

    def call(self, x: Any, training: bool = False) -> Any:
        return self.last(self.drop(self.first(x), training=training))


def _subclassed(config: Mapping[str, Any]) -> keras.Model:
    return _compiled(Subclass(), optimizers.Adagrad(0.1), weighted_metrics=["accuracy"], metrics=[])


class OwnStep(keras.Model):
    def train_step(self, data: Any) -> Any:
        x, y = data
        with tf.GradientTape() as tape:
            loss = 2.0 * self.compute_loss(y=y, y_pred=self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss, "largest": tf.reduce_max([tf.reduce_max(g) for g in gradients])}


def _own_step(config: Mapping[str, Any]) -> keras.Model:
    x = keras.Input((6,))
    return _compiled(OwnStep(x, layers.Dense(3, activation="softmax")(x)), optimizers.Ftrl(0.05), metrics=None)


def _area(config: Mapping[str, Any]) -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), layers.Dense(4, "gelu"), layers.Dense(1, activation="sigmoid")])
    rate = optimizers.schedules.ExponentialDecay(0.1, decay_steps=3, decay_rate=0.7, staircase=True)
    metrics = [keras.metrics.AUC(), keras.metrics.Precision(name="precision")]
    return _compiled(model, optimizers.Adamax(rate), loss="binary_crossentropy", metrics=metrics)


def averaged(config: Mapping[str, Any]) -> keras.Model:
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, "relu"), layers.BatchNormalization(), layers.Dense(3, "softmax")]
    )
    return _compiled(model, optimizers.SGD(0.1, use_ema=True, ema_momentum=0.7, ema_overwrite_frequency=None))


def convolution(config: Mapping[str, Any]) -> keras.Model:
    rate = optimizers.schedules.CosineDecayRestarts(0.05, first_decay_steps=5)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.RandomFlip(),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.SpatialDropout2D(0.2),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.2),
            layers.Dense(3, activation="softmax"),
        ]
    )
    return _compiled(model, optimizers.Adam(rate, global_clipnorm=1.0))


def _recurrent(config: Mapping[str, Any]) -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((3,), dtype="int32"),
            layers.Embedding(20, 4, mask_zero=True),
            layers.LSTM(4, dropout=0.2),
            layers.Dense(3, activation="softmax"),
        ]
    )
    return _compiled(model, optimizers.Adadelta(0.5))


KINDS = {
    "Sequential without Input, momentum": Kind(dense, rows_of_six),
    "two outputs, weights of each": Kind(_two_outputs, weighted_targets),
    "subclassed, sample weights, Adagrad": Kind(_subclassed, weighted),
    "train_step of its own, Ftrl": Kind(_own_step, rows_of_six, 11),
    "AUC, Adamax, learning rate schedule": Kind(_area, binary),
    "BatchNormalization, EMA": Kind(averaged, rows_of_six),
    "augmentation, convolution, BatchNormalization, Dropout": Kind(convolution, images),
    "Embedding, LSTM with dropout, Adadelta": Kind(_recurrent, words),
}
