"""Images, from memory and from folders, augmented in several ways."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from pipeline.datasets import Dataset
from tests.unit.training.programs.rows import ROWS, VALIDATION


def _images(rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(rows)
    y = rng.integers(0, 2, rows)
    return (rng.random((rows, 8, 8, 1)) + y[:, None, None, None]).astype("float32"), y


def convolutional(config: Mapping[str, Any]) -> keras.Model:
    """A small convolutional network for two classes."""
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
    """Images, shuffled, and augmented by layers of Keras within the pipeline."""
    augment = keras.Sequential([layers.RandomFlip("horizontal", seed=3), layers.RandomTranslation(0.1, 0.1, seed=4)])
    train = tf.data.Dataset.from_tensor_slices(_images(ROWS)).shuffle(ROWS, seed=1).batch(8)
    train = train.map(lambda x, y: (augment(x, training=True), y)).prefetch(1)
    return Dataset("images", train, tf.data.Dataset.from_tensor_slices(_images(VALIDATION)).batch(8))


def noisy_images() -> Dataset:
    """Images with noise that the pipeline draws with tf.random."""
    train = tf.data.Dataset.from_tensor_slices(_images(ROWS)).cache().shuffle(ROWS).batch(8)
    train = train.map(lambda x, y: (x + tf.random.normal(tf.shape(x), stddev=0.3), y))
    return Dataset("noisy", train, tf.data.Dataset.from_tensor_slices(_images(VALIDATION)).batch(8))


def parallel_images() -> Dataset:
    """Images from a parallel map with any order."""
    data = noisy_images()
    images = tf.data.Dataset.from_tensor_slices(_images(ROWS)).batch(8)
    return Dataset(
        "parallel", images.map(lambda x, y: (x, y), num_parallel_calls=2, deterministic=False), data.validation
    )


_PICTURES = TemporaryDirectory(prefix="pictures")
"""Until this process ends."""


@cache
def picture_folder() -> Path:
    """A folder of pictures, in a folder for each class."""
    rng = np.random.default_rng(0)
    for name, level in (("bright", 200), ("dark", 60)):
        folder = Path(_PICTURES.name) / name
        folder.mkdir()
        for number in range(20):
            pixels = np.clip(rng.normal(level, 40, (9, 9, 3)), 0, 255).astype("uint8")
            (folder / f"{number}.png").write_bytes(tf.io.encode_png(pixels).numpy())
    return Path(_PICTURES.name)


def _pictures(config: Mapping[str, Any]) -> tuple[Any, Any]:
    train, validation = keras.utils.image_dataset_from_directory(
        picture_folder(), validation_split=0.25, subset="both", seed=1337, image_size=(config["size"],) * 2,
        batch_size=8, verbose=False,
    )  # fmt: skip
    return train, validation


def pictures(config: Mapping[str, Any]) -> Dataset:
    """Folders of pictures at the config's size, augmented within the model."""
    train, validation = _pictures(config)
    return Dataset("pictures", train.prefetch(tf.data.AUTOTUNE), validation.prefetch(tf.data.AUTOTUNE))


def augmented_pictures(config: Mapping[str, Any]) -> Dataset:
    """Folders of pictures, augmented by a parallel map."""
    train, validation = _pictures(config)
    augment = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)])
    train = train.map(lambda image, label: (augment(image, training=True), label), num_parallel_calls=2)
    return Dataset("pictures", train, validation)


def picture_model(config: Mapping[str, Any]) -> keras.Model:
    """Separable convolutions with residuals over augmented pictures."""
    inputs = keras.Input((config["size"], config["size"], 3))
    x = layers.RandomFlip("horizontal")(inputs) if config.get("augment", True) else inputs
    x = layers.Rescaling(1 / 255)(x)
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, strides=2, padding="same")(x))
    residual = layers.Conv2D(4, 1)(x)
    x = layers.add([layers.SeparableConv2D(4, 3, padding="same")(layers.Activation("relu")(x)), residual])
    x = layers.Dropout(0.25)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.compile(
        keras.optimizers.Adam(3e-3),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.BinaryAccuracy(name="acc")],
    )
    return model
