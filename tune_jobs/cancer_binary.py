"""Two classes with one output: binary cross-entropy on scikit-learn's breast cancer data.

The objective is the loss itself: nearly all configs classify nearly all rows correctly, and only the loss shows with
what confidence. The result of a network depends on its initial weights, so each config is judged by three networks.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.schedulers import ASHA
from pipeline.space import Choice, LogUniform, Uniform
from pipeline.study import Budget, Objective, TuneJob

if TYPE_CHECKING:
    import keras


def build_model(config: Mapping[str, Any]) -> "keras.Model":
    """A network for thirty inputs and one probability, compiled."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((30,)),
            keras.layers.Dense(config["width"], activation="relu"),
            keras.layers.Dropout(config["dropout"]),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(config["lr"]), loss="binary_crossentropy", metrics=["accuracy"])
    return model


JOB = TuneJob(
    name="cancer-binary",
    description="Two classes with one output, each config the mean of 3 initial weights",
    model=build_model,
    data="breast-cancer",
    space={"lr": LogUniform(1e-4, 1e-1), "width": Choice((4, 16, 64)), "dropout": Uniform(0.0, 0.5)},
    objectives=[Objective("val_loss", "min")],
    scheduler=ASHA(grace_period=4, reduction_factor=2),
    budget=Budget(trials=16, epochs=64),
    repeats=3,
    batch_size=32,
)
