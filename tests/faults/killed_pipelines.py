"""Jobs whose worker kills itself once, in the middle of a trial on a pipeline."""

import os
import signal
from pathlib import Path
from typing import Any

from pipeline import Budget, Checkpoints, Dataset, LogUniform, Objective, Phase, Resources, TuneJob

_MARKER = "KILLED_ONCE"
"""The environment variable with the path of the file that exists once a worker was killed."""


def images() -> Dataset:
    """Shuffled images, flipped at random."""
    import numpy as np
    import tensorflow as tf

    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6, 6, 1)).astype("float32")
    y = (x.mean(axis=(1, 2, 3)) > 0).astype("float32")[:, None]

    def flipped(image: Any, target: Any) -> Any:
        drawn = tf.random.uniform([])
        return tf.cond(drawn < 0.5, lambda: tf.reverse(image, [1]), lambda: image) + drawn / 10, target

    train = tf.data.Dataset.from_tensor_slices((x[:160], y[:160])).shuffle(160).map(flipped).batch(16)
    return Dataset("images", train=train, validation=tf.data.Dataset.from_tensor_slices((x[160:], y[160:])).batch(40))


def shared_images() -> Dataset:
    """The images of `images`, whose first part is created once for both workers; each element writes a line."""
    import tensorflow as tf

    from pipeline import shared_cache

    plain = images()

    def noted(image: Any, target: Any) -> Any:
        def note() -> int:
            with Path(f"{os.environ[_MARKER]}.made").open("a") as file:
                file.write("made\n")
            return 0

        with tf.control_dependencies([tf.numpy_function(note, [], tf.int64)]):
            return tf.identity(image), target

    rows = plain.validation.unbatch().map(noted).apply(shared_cache("rows"))
    return Dataset("images", train=rows.shuffle(40).batch(16), validation=rows.batch(40))


def model(config: dict[str, Any]) -> Any:
    """A frozen layer, dropout, and a head."""
    import keras

    base = keras.layers.Dense(8, "relu", name="base")
    base.trainable = False
    parts = [keras.Input((6, 6, 1)), keras.layers.Flatten(), base, keras.layers.Dropout(0.2), keras.layers.Dense(1)]
    built = keras.Sequential(parts)
    built.compile(keras.optimizers.Adam(config["lr"]), loss="mse")
    return built


def unfrozen(model: Any, config: dict[str, Any]) -> None:
    """Train all of the model."""
    import keras

    model.get_layer("base").trainable = True
    model.compile(keras.optimizers.Adam(config["lr"] / 2), loss="mse")


def killing(config: dict[str, Any]) -> list[Any]:
    """A callback that kills its process in the fourth epoch, unless it did so before."""
    import keras

    def kill(epoch: int, _logs: Any) -> None:
        marker = Path(os.environ[_MARKER])
        if epoch == 3 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    return [keras.callbacks.LambdaCallback(on_epoch_begin=kill)]


PIPELINE = TuneJob(
    name="pipeline",
    model=model,
    data=images,
    callbacks=killing,
    space={"lr": LogUniform(1e-3, 1e-1)},
    objectives=[Objective("val_loss", "min")],
    scheduler="fifo",
    searcher="random",
    budget=Budget(trials=2, epochs=5),
    checkpoints=Checkpoints(seconds=0.001),
    resources=Resources(workers=2),
)
PHASED = PIPELINE.replaced({"name": "phased", "phases": [Phase(at=2, prepare=unfrozen)]})
SHARED = PIPELINE.replaced({"name": "shared", "data": shared_images})


def streamed(folder: str) -> TuneJob:
    """The job of `PIPELINE` on Parquet files that are streamed: images as PNG files."""
    return PIPELINE.replaced({"name": "streamed", "data": folder, "model": streamed_model, "batch_size": 16})


def streamed_model(config: dict[str, Any]) -> Any:
    """The same as `model`, for decoded images."""
    import keras

    parts = [
        keras.Input((6, 6, 1)),
        keras.layers.Flatten(),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(2, "softmax"),
    ]
    built = keras.Sequential(parts)
    built.compile(keras.optimizers.Adam(config["lr"]), loss="categorical_crossentropy")
    return built


def parquet_tables() -> dict[str, Any]:
    """Tables of PNG files with labels, by the names of their files."""
    import numpy as np
    import pyarrow as pa
    import tensorflow as tf

    rng, tables = np.random.default_rng(0), {}
    for part in range(3):
        pixels = rng.integers(0, 255, (60, 6, 6, 1), "uint8")
        images = [tf.io.encode_png(image).numpy() for image in pixels]
        label = np.where(pixels.mean(axis=(1, 2, 3)) > 127, "light", "dark")
        tables[f"part-{part}.parquet"] = pa.table({"image": pa.array(images, pa.binary()), "label": label})
    return tables
