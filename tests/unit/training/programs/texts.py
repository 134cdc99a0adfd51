"""Texts: split, looked up and vectorized by the pipeline or by the model."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from pipeline.datasets import Dataset, Split
from tests.unit.training.programs.rows import ROWS, VALIDATION

_WORDS = ["red", "green", "blue", "good", "bad", "day", "night", "sun"]


def _texts(rows: int) -> tuple[list[str], np.ndarray]:
    rng = np.random.default_rng(rows)
    texts = [" ".join(rng.choice(_WORDS, rng.integers(2, 6))) for _ in range(rows)]
    return texts, np.array(["good" in text for text in texts], "float32")


def texts() -> Dataset:
    """Texts and whether they are good, as the model takes them."""
    train = tf.data.Dataset.from_tensor_slices(_texts(ROWS)).shuffle(ROWS).batch(8)
    return Dataset("texts", train, tf.data.Dataset.from_tensor_slices(_texts(VALIDATION)).batch(8))


def text_arrays() -> Dataset:
    """Texts in NumPy arrays, one of Unicode and one of objects."""
    (x, y), (vx, vy) = _texts(ROWS), _texts(VALIDATION)
    return Dataset("text arrays", Split(np.array(x), y), Split(np.array(vx, dtype=object), vy))


def reading(config: Mapping[str, Any]) -> keras.Model:
    """A network that splits texts into words."""
    vectorize = layers.TextVectorization(max_tokens=10, output_sequence_length=5, vocabulary=_WORDS)
    x = keras.Input((), dtype="string")
    y = layers.GlobalAveragePooling1D()(layers.Embedding(10, 4)(vectorize(x)))
    model = keras.Model(x, layers.Dense(1, "sigmoid")(y))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def ragged_words() -> Dataset:
    """Texts as ragged words, looked up and padded by the pipeline."""
    lookup = layers.StringLookup(vocabulary=_WORDS)

    def numbers(x: Any, y: Any) -> Any:
        return lookup(tf.strings.split(x)).to_tensor(shape=[None, 6]), y

    data = texts()
    return Dataset("ragged", data.train.map(numbers), data.validation.map(numbers))


def embedding(config: Mapping[str, Any]) -> keras.Model:
    """A network over numbers of words."""
    x = keras.Input((6,), dtype="int64")
    model = keras.Model(x, layers.Dense(1, "sigmoid")(layers.LSTM(3)(layers.Embedding(10, 4)(x))))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def reviews() -> Dataset:
    """Raw texts of unequal length, cleaned and vectorized by the pipeline with its own vocabulary."""
    rng = np.random.default_rng(0)
    words = np.array(["a", "great", "awful", "film", "plot", "<br />", "Bad!"])
    texts = [" ".join(rng.choice(words, rng.integers(3, 12))) for _ in range(64)]
    labels = np.array(["great" in text for text in texts], "float32")
    raw = tf.data.Dataset.from_tensor_slices((texts, labels))

    def clean(text: Any) -> Any:
        return tf.strings.regex_replace(tf.strings.lower(text), "<br />", " ")

    vectorize = layers.TextVectorization(max_tokens=50, output_mode="int", output_sequence_length=8, standardize=clean)
    vectorize.adapt(raw.map(lambda text, _: text).batch(16))

    def numbers(text: Any, label: Any) -> Any:
        return vectorize(tf.expand_dims(text, -1)), label

    train, validation = raw.take(48).shuffle(48), raw.skip(48)
    return Dataset(
        "reviews",
        train.batch(16).map(numbers).cache().prefetch(10),
        validation.batch(16).map(numbers).cache().prefetch(10),
    )


def review_model(config: Mapping[str, Any]) -> keras.Model:
    """Embedding and convolutions."""
    inputs = keras.Input((None,), dtype="int64")
    x = layers.Dropout(0.5)(layers.Embedding(50, 8)(inputs))
    x = layers.GlobalMaxPooling1D()(layers.Conv1D(8, 3, padding="valid", activation="relu")(x))
    model = keras.Model(inputs, layers.Dense(1, "sigmoid")(x))
    model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def ragged() -> Dataset:
    """Ragged rows of words, looked up in the model."""
    words = tf.ragged.constant([["red", "sun"], ["blue"], ["red"] * 4, ["green", "blue", "sun"]] * 10)
    labels = np.tile(np.array([1.0, 0.0, 1.0, 0.0], "float32"), 10)
    rows = tf.data.Dataset.from_tensor_slices((words, labels)).shuffle(40).batch(8)
    return Dataset("ragged", rows.map(lambda x, y: (x.to_tensor(shape=[None, 4]), y)))


def ragged_model(config: Mapping[str, Any]) -> keras.Model:
    """StringLookup and a mean of embeddings."""
    inputs = keras.Input((4,), dtype="string")
    numbers = layers.StringLookup(vocabulary=["red", "green", "blue", "sun"], mask_token="")(inputs)
    x = layers.GlobalAveragePooling1D()(layers.Embedding(6, 4, mask_zero=True)(numbers))
    model = keras.Model(inputs, layers.Dense(1, "sigmoid")(x))
    model.compile("rmsprop", "binary_crossentropy")
    return model


def tickets() -> Dataset:
    """Several inputs and several outputs as dicts."""
    rng = np.random.default_rng(0)

    def rows(count: int) -> Any:
        title, body = rng.integers(0, 30, (count, 5)), rng.integers(0, 30, (count, 9))
        targets = {"priority": rng.random((count, 1)).astype("float32"), "department": rng.integers(0, 3, count)}
        return tf.data.Dataset.from_tensor_slices(({"title": title, "body": body}, targets))

    return Dataset("tickets", rows(48).shuffle(48).batch(16), rows(16).batch(16))


def ticket_model(config: Mapping[str, Any]) -> keras.Model:
    """Losses, weights and metrics by the name of the output."""
    title, body = keras.Input((None,), name="title"), keras.Input((None,), name="body")
    x = layers.concatenate([layers.LSTM(4)(layers.Embedding(30, 4)(part)) for part in (title, body)])
    outputs = {
        "priority": layers.Dense(1, name="priority")(x),
        "department": layers.Dense(3, name="department")(x),
    }
    model = keras.Model({"title": title, "body": body}, outputs)
    model.compile(
        keras.optimizers.RMSprop(1e-3),
        loss={
            "priority": keras.losses.BinaryCrossentropy(from_logits=True),
            "department": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        },
        loss_weights={"priority": 1.0, "department": 0.2},
        metrics={"department": ["accuracy"]},
    )
    return model
