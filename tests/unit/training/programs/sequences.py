"""Sequences: windows of a series, padded sentences, and images with a transcript."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from pipeline.datasets import Dataset


def series() -> Dataset:
    """Windows of a series."""
    values = np.sin(np.arange(120, dtype="float32") / 5)[:, None]
    train = keras.utils.timeseries_dataset_from_array(values[:90], values[6:90], 6, batch_size=16, shuffle=True, seed=1)
    return Dataset(
        "series", train, keras.utils.timeseries_dataset_from_array(values[90:], values[96:], 6, batch_size=16)
    )


def forecasting(config: Mapping[str, Any]) -> keras.Model:
    """A recurrent network that predicts the next value."""
    model = keras.Sequential([layers.Input((6, 1)), layers.LSTM(4), layers.Dense(1)])
    model.compile("adam", "mse")
    return model


def weather(config: Mapping[str, Any]) -> Dataset:
    """Windows over several measurements, thinned out, that predict one of them some steps ahead."""
    steps = np.arange(260, dtype="float32")
    values = np.stack([np.sin(steps / 9), np.cos(steps / 7), steps % 5 / 5], axis=1)
    past, ahead = config["past"], 4

    def windows(part: np.ndarray, *, shuffle: bool) -> Any:
        return keras.utils.timeseries_dataset_from_array(
            part[: -past - ahead], part[past + ahead :, :1], past // 2, sampling_rate=2, batch_size=32, shuffle=shuffle
        )

    return Dataset("weather", windows(values[:200], shuffle=True), windows(values[200:], shuffle=False))


def weather_model(config: Mapping[str, Any]) -> keras.Model:
    """An LSTM over windows of the config's length."""
    inputs = keras.Input((config["past"] // 2, 3))
    model = keras.Model(inputs, layers.Dense(1)(layers.LSTM(4)(inputs)))
    model.compile(keras.optimizers.Adam(0.01), loss="mse")
    return model


def padded() -> Dataset:
    """Sequences of unequal length from a generator within the pipeline, padded."""

    def sentences() -> Iterator[Any]:
        rng = np.random.default_rng(0)
        for _ in range(40):
            length = rng.integers(2, 9)
            yield rng.integers(1, 20, length), rng.integers(0, 3, length)

    spec = (tf.TensorSpec([None], tf.int64), tf.TensorSpec([None], tf.int64))
    rows = tf.data.Dataset.from_generator(sentences, output_signature=spec)
    return Dataset("sentences", rows.padded_batch(8), rows.take(8).padded_batch(8))


def tagger(config: Mapping[str, Any]) -> keras.Model:
    """Attention over padded sequences, with its own masked loss."""

    def masked(y: Any, predicted: Any) -> Any:
        loss = keras.losses.sparse_categorical_crossentropy(y, predicted, from_logits=True)
        mask = keras.ops.cast(y > 0, "float32")
        return keras.ops.sum(loss * mask) / (keras.ops.sum(mask) + 1)

    inputs = keras.Input((None,), dtype="int64")
    x = layers.Embedding(20, 8)(inputs)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 4)(x, x))
    model = keras.Model(inputs, layers.Dense(3)(x))
    model.compile("adam", masked)
    return model


def transcribed() -> Dataset:
    """Inputs and labels in one dict, because a layer of the model computes the loss."""
    rng = np.random.default_rng(0)
    rows = {
        "image": rng.random((32, 8, 4)).astype("float32"),
        "label": rng.integers(1, 5, (32, 3)).astype("float32"),
    }
    data = tf.data.Dataset.from_tensor_slices(rows)
    return Dataset("transcribed", data.shuffle(32).batch(8), data.take(8).batch(8))


class AddedLoss(layers.Layer):
    """Computes a loss from labels that are inputs."""

    def call(self, labels: Any, predicted: Any) -> Any:
        """Add the loss, and pass on what was predicted."""
        self.add_loss(keras.ops.mean(keras.ops.square(keras.ops.mean(predicted, -1)[:, :3] - labels / 5)))
        return predicted


def transcribing(config: Mapping[str, Any]) -> keras.Model:
    """A recurrent model whose loss is a layer."""
    image, label = keras.Input((8, 4), name="image"), keras.Input((3,), name="label")
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True, dropout=0.25))(image)
    model = keras.Model([image, label], AddedLoss()(label, layers.Dense(5, "softmax")(x)))
    model.compile(keras.optimizers.Adam())
    return model
