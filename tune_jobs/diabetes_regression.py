"""A number to be predicted: which loss, the distance behind it, and which network fit scikit-learn's diabetes data?

The mean squared error is the square of a Euclidean distance, the mean absolute error a Manhattan distance, and Huber's
loss is the one near the target and the other far from it. Targets have variance 1, so that a constant prediction
of the mean has a mean squared error of 1. There are few rows: every config is judged by five folds.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.schedulers import ASHA
from pipeline.searchers import TPESearch
from pipeline.space import Choice, LogUniform, Uniform
from pipeline.study import Budget, Objective, TuneJob

if TYPE_CHECKING:
    import keras


def build_model(config: Mapping[str, Any]) -> "keras.Model":
    """A network for ten inputs and one number, compiled."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((10,)),
            keras.layers.Dense(
                config["width"], activation="relu", kernel_regularizer=keras.regularizers.L2(config["l2"])
            ),
            keras.layers.Dropout(config["dropout"]),
            keras.layers.Dense(1),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(config["lr"]),
        loss=config["loss"],
        metrics=["mean_squared_error", "mean_absolute_error"],
    )
    return model


JOB = TuneJob(
    name="diabetes-regression",
    description="A number predicted from ten others: three losses and a network's size, 5 folds",
    model=build_model,
    data="diabetes",
    space={
        "loss": Choice(("mean_squared_error", "mean_absolute_error", "huber")),
        "lr": LogUniform(1e-4, 1e-1),
        "width": Choice((4, 16, 64)),
        "dropout": Uniform(0.0, 0.5),
        "l2": LogUniform(1e-6, 1e-1),
    },
    objectives=[Objective("val_mean_squared_error", "min")],
    scheduler=ASHA(grace_period=4, reduction_factor=2),
    searcher=TPESearch(startup=10),
    budget=Budget(trials=24, epochs=64),
    folds=5,
    batch_size=32,
)
