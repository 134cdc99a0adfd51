"""Programs whose data are pipelines: rows, images, texts, and models with their own steps, on small made-up data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from pipeline.datasets import Dataset, Split

ROWS, VALIDATION = 52, 20


@dataclass(frozen=True)
class Program:
    data: Callable[[], Dataset]
    model: Callable[[Mapping[str, Any]], keras.Model]
    objective: str = "val_loss"


def _rows(seed: int = 0, rows: int = ROWS, width: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, width)).astype("float32")
    return x, (x.sum(axis=1) > 0).astype("float32")


def dense(config: Mapping[str, Any]) -> keras.Model:
    model = keras.Sequential(
        [layers.Input((6,)), layers.Dense(4, "relu"), layers.Dropout(0.2), layers.Dense(1, "sigmoid")]
    )
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "binary_crossentropy")
    return model


def shuffled() -> Dataset:
    train = tf.data.Dataset.from_tensor_slices(_rows()).shuffle(ROWS).batch(8).prefetch(2)
    return Dataset("shuffled", train, tf.data.Dataset.from_tensor_slices(_rows(1, VALIDATION)).batch(8))


def shuffled_of_unknown_length() -> Dataset:
    data = shuffled()
    return Dataset("unknown", data.train.unbatch().filter(lambda x, _: x[0] > -1).shuffle(9).batch(8), data.validation)


class Rows(keras.utils.PyDataset):
    def __init__(self, seed: int, rows: int) -> None:
        super().__init__()
        self._x, self._y = _rows(seed, rows)

    def __len__(self) -> int:
        return -(-len(self._x) // 8)

    def __getitem__(self, index: int) -> Any:
        rows = slice(index * 8, index * 8 + 8)
        return self._x[rows], self._y[rows]


class ShuffledRows(Rows):
    def __init__(self, seed: int, rows: int) -> None:
        super().__init__(seed, rows)
        self._rng = np.random.default_rng(seed)

    def on_epoch_end(self) -> None:
        order = self._rng.permutation(len(self._x))
        self._x, self._y = self._x[order], self._y[order]


def shuffled_py_dataset() -> Dataset:
    return Dataset("py", ShuffledRows(0, ROWS), Rows(1, VALIDATION))


def without_targets() -> Dataset:
    train = tf.data.Dataset.from_tensor_slices(_rows()[0]).shuffle(ROWS).batch(8)
    return Dataset("inputs", train)


def _images(rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(rows)
    y = rng.integers(0, 2, rows)
    return (rng.random((rows, 8, 8, 1)) + y[:, None, None, None]).astype("float32"), y


def convolutional(config: Mapping[str, Any]) -> keras.Model:
    model = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


def augmented_images() -> Dataset:
    augment = keras.Sequential([layers.RandomFlip("horizontal", seed=3), layers.RandomTranslation(0.1, 0.1, seed=4)])
    train = tf.data.Dataset.from_tensor_slices(_images(ROWS)).shuffle(ROWS, seed=1).batch(8)
    train = train.map(lambda x, y: (augment(x, training=True), y)).prefetch(1)
    return Dataset("images", train, tf.data.Dataset.from_tensor_slices(_images(VALIDATION)).batch(8))


_WORDS = ["red", "green", "blue", "good", "bad", "day", "night", "sun"]


def _texts(rows: int) -> tuple[list[str], np.ndarray]:
    rng = np.random.default_rng(rows)
    texts = [" ".join(rng.choice(_WORDS, rng.integers(2, 6))) for _ in range(rows)]
    return texts, np.array(["good" in text for text in texts], "float32")


def text_arrays() -> Dataset:
    (x, y), (vx, vy) = _texts(ROWS), _texts(VALIDATION)
    return Dataset("text arrays", Split(np.array(x), y), Split(np.array(vx, dtype=object), vy))


def reading(config: Mapping[str, Any]) -> keras.Model:
    vectorize = layers.TextVectorization(max_tokens=10, output_sequence_length=5, vocabulary=_WORDS)
    x = keras.Input((), dtype="string")
    y = layers.GlobalAveragePooling1D()(layers.Embedding(10, 4)(vectorize(x)))
    model = keras.Model(x, layers.Dense(1, "sigmoid")(y))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


class GAN(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.discriminator = keras.Sequential([layers.Input((6,)), layers.Dense(4, "relu"), layers.Dense(1)])
        self.generator = keras.Sequential([layers.Input((3,)), layers.Dense(6)])
        self.seed_generator = keras.random.SeedGenerator(5)
        self.d_loss, self.g_loss = keras.metrics.Mean(name="d_loss"), keras.metrics.Mean(name="g_loss")

    @property
    def metrics(self) -> list[Any]:
        return [self.d_loss, self.g_loss]

    def compile(self, d_optimizer: Any, g_optimizer: Any, loss_fn: Any) -> None:  # type: ignore[override]
        super().compile()
        self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn

    def train_step(self, real: Any) -> Any:
        rows = tf.shape(real)[0]
        fake = self.generator(keras.random.normal((rows, 3), seed=self.seed_generator))
        both, labels = tf.concat([fake, real], 0), tf.concat([tf.ones((rows, 1)), tf.zeros((rows, 1))], 0)
        with tf.GradientTape() as tape:
            d_loss = self.loss_fn(labels, self.discriminator(both))
        weights = self.discriminator.trainable_weights
        self.d_optimizer.apply_gradients(zip(tape.gradient(d_loss, weights), weights, strict=True))
        with tf.GradientTape() as tape:
            fake = self.generator(keras.random.normal((rows, 3), seed=self.seed_generator))
            g_loss = self.loss_fn(tf.zeros((rows, 1)), self.discriminator(fake))
        weights = self.generator.trainable_weights
        self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, weights), weights, strict=True))
        self.d_loss.update_state(d_loss)
        self.g_loss.update_state(g_loss)
        return {"d_loss": self.d_loss.result(), "g_loss": self.g_loss.result()}


def gan(config: Mapping[str, Any]) -> keras.Model:
    model = GAN()
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.optimizers.SGD(0.2, momentum=0.9),
        keras.losses.BinaryCrossentropy(from_logits=True),
    )
    return model


PROGRAMS: dict[str, Program] = {
    "shuffled rows": Program(shuffled, dense),
    "unknown length": Program(shuffled_of_unknown_length, dense),
    "augmented images": Program(augmented_images, convolutional),
    "PyDataset with state": Program(shuffled_py_dataset, dense),
    "GAN": Program(without_targets, gan, "g_loss"),
}
