"""Rows of a table with columns of several kinds, encoded by a FeatureSpace."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from pipeline.datasets import Dataset


def _people(rows: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(rows)
    people = {
        "age": rng.uniform(20, 80, rows).astype("float32"),
        "sex": rng.integers(0, 2, rows),
        "thal": rng.choice(["fixed", "normal", "reversible"], rows),
    }
    return people, (people["age"] > 50).astype("int64")


def _feature_space(config: Mapping[str, Any]) -> keras.utils.FeatureSpace:
    kinds = keras.utils.FeatureSpace
    return kinds(
        features={
            "age": kinds.float_discretized(num_bins=config["bins"]),
            "sex": kinds.integer_categorical(num_oov_indices=0),
            "thal": kinds.string_categorical(num_oov_indices=0),
        },
        crosses=[kinds.cross(feature_names=("sex", "age"), crossing_dim=8)],
        output_mode="concat",
    )


def features(config: Mapping[str, Any]) -> Dataset:
    """Rows of a table, encoded by a FeatureSpace whose bins are a parameter."""
    train, validation = (tf.data.Dataset.from_tensor_slices(_people(rows)) for rows in (60, 20))
    space = _feature_space(config)
    space.adapt(train.map(lambda x, _: x).batch(16))

    def encode(x: Any, y: Any) -> Any:
        return space(x), y

    return Dataset(
        "features",
        train.shuffle(60).batch(16).map(encode, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE),
        validation.batch(16).map(encode, num_parallel_calls=tf.data.AUTOTUNE),
        facts={"width": int(space.get_encoded_features().shape[-1])},
    )


def feature_model(config: Mapping[str, Any]) -> keras.Model:
    """A network that learns its width from the encoded rows."""
    model = keras.Sequential([layers.Dense(8, "relu"), layers.Dropout(0.5), layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def people() -> Dataset:
    """Rows of a table as dicts of raw values."""
    train, validation = (tf.data.Dataset.from_tensor_slices(_people(rows)) for rows in (60, 20))
    return Dataset("people", train.shuffle(60).batch(16), validation.batch(16))


def people_model(config: Mapping[str, Any]) -> keras.Model:
    """A network with the FeatureSpace, adapted here, as its first layer."""
    space = _feature_space(config)
    space.adapt(tf.data.Dataset.from_tensor_slices(_people(60)[0]).batch(16))
    encoded = space.get_encoded_features()
    outputs = layers.Dense(1, "sigmoid")(layers.Dense(8, "relu")(encoded))
    training = keras.Model(encoded, outputs)
    model = keras.Model(space.get_inputs(), training(encoded))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model
