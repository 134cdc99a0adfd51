"""A first study that takes seconds, and a file to copy: a small model on scikit-learn's digits."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.schedulers import ASHA
from pipeline.space import Choice, LogUniform
from pipeline.study import Budget, Objective, TuneJob

if TYPE_CHECKING:
    import keras


def build_model(config: Mapping[str, Any]) -> "keras.Model":
    """A network for 64 inputs and ten classes, compiled."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(config["width"], activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(config["lr"]),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


JOB = TuneJob(
    name="digits-quick",
    description="A small network on scikit-learn's digits, 8 trials, ASHA from 1 to 8 epochs",
    model=build_model,
    data="digits",
    space={"lr": LogUniform(1e-4, 1e-1), "width": Choice((16, 32))},
    objectives=[Objective("val_accuracy", "max")],
    scheduler=ASHA(grace_period=1, reduction_factor=2),
    budget=Budget(trials=8, epochs=8),
    batch_size=32,
)
