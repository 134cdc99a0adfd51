"""What people feed to fit: images with augmentation, and a bidirectional LSTM over arrays."""

from typing import Any

import numpy as np

from pipeline import Dataset, Objective, Split, TuneJob

_WORDS, _LENGTH = 2000, 100


def images() -> Dataset:
    """2,048 images of 32 by 32 pixels for training, shuffled, flipped and brightened at random."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (2560, 32, 32, 3), "uint8"), rng.integers(0, 10, 2560)

    def scaled(image: Any, label: Any) -> Any:
        return tf.cast(image, tf.float32) / 255, label

    def augmented(image: Any, label: Any) -> Any:
        return tf.image.random_brightness(tf.image.random_flip_left_right(image), 0.2), label

    rows = tf.data.Dataset.from_tensor_slices((x[:2048], y[:2048])).shuffle(2048).map(scaled).map(augmented)
    validation = tf.data.Dataset.from_tensor_slices((x[2048:], y[2048:])).map(scaled)
    return Dataset(
        train=rows.batch(64).prefetch(tf.data.AUTOTUNE), validation=validation.batch(64).prefetch(tf.data.AUTOTUNE)
    )


def image_model(config: dict[str, Any]) -> Any:
    """A small convolutional network."""
    import keras

    layers = keras.layers
    parts = [
        keras.Input((32, 32, 3)),
        layers.Conv2D(8, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(16, 3, activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10, "softmax"),
    ]
    return _compiled(keras.Sequential(parts), "sparse_categorical_crossentropy")


def sequences() -> Dataset:
    """512 sequences of 100 numbers of words for training, as arrays."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, _WORDS, (640, _LENGTH)), rng.integers(0, 2, (640, 1)).astype("float32")
    return Dataset("sequences", Split(x[:512], y[:512]), Split(x[512:], y[512:]))


def sequence_model(config: dict[str, Any]) -> Any:
    """Two bidirectional LSTM layers, as in Keras' example."""
    import keras

    layers = keras.layers
    parts = [
        keras.Input((None,), dtype="int32"),
        layers.Embedding(_WORDS, 64),
        layers.Bidirectional(layers.LSTM(32, return_sequences=True)),
        layers.Bidirectional(layers.LSTM(32)),
        layers.Dense(1, "sigmoid"),
    ]
    return _compiled(keras.Sequential(parts), "binary_crossentropy")


def _compiled(model: Any, loss: str) -> Any:
    # Without XLA, which makes fit slower on a CPU.
    model.compile("adam", loss, jit_compile=False)
    return model


_MADE_OF = {"images": (image_model, images), "bidirectional LSTM": (sequence_model, sequences)}
JOBS = {
    name: TuneJob(
        name=name.replace(" ", "-").lower(),
        model=model,
        data=data,
        space={},
        objectives=[Objective("val_loss", "min")],
        batch_size=32,
    )
    for name, (model, data) in _MADE_OF.items()
}
"""The jobs, by what they read."""
