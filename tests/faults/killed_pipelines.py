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


PHASED = TuneJob(
    name="phased",
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
    phases=[Phase(at=2, prepare=unfrozen)],
)
