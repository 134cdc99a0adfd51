"""A small convolutional network on MNIST, whose shape is tuned: how many blocks, and the filters of each."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.schedulers import ASHA
from pipeline.searchers import TPESearch
from pipeline.space import Choice, LogUniform, Switch, Uniform
from pipeline.study import Budget, Objective, TuneJob

if TYPE_CHECKING:
    import keras


_FILTERS = Choice((4, 8, 16))


def build_model(config: Mapping[str, Any]) -> "keras.Model":
    """Blocks of a convolution and pooling, then a softmax over ten classes."""
    import keras

    layers: list[keras.Layer] = [keras.Input((784,)), keras.layers.Reshape((28, 28, 1))]
    for block in range(1, int(config["blocks"]) + 1):
        layers.append(keras.layers.Conv2D(config[f"filters_{block}"], 3, padding="same", use_bias=False))
        if config["batch_norm"]:
            layers.append(keras.layers.BatchNormalization())
        layers += [keras.layers.Activation("relu"), keras.layers.MaxPooling2D()]
    layers += [
        keras.layers.Flatten(),
        keras.layers.Dropout(config["dropout"]),
        keras.layers.Dense(10, activation="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(optimizer=keras.optimizers.Adam(config["lr"]), loss="categorical_crossentropy", metrics=["accuracy"])
    return model


JOB = TuneJob(
    name="cnn-asha",
    description="The shape of a convolutional network on MNIST, ASHA from 1 to 8 epochs",
    model=build_model,
    data="mnist",
    space={
        "lr": LogUniform(3e-4, 3e-2),
        "dropout": Uniform(0.0, 0.5),
        "batch_norm": Choice((False, True)),
        "blocks": Switch(
            {
                "1": {"filters_1": _FILTERS},
                "2": {"filters_1": _FILTERS, "filters_2": _FILTERS},
                "3": {"filters_1": _FILTERS, "filters_2": _FILTERS, "filters_3": _FILTERS},
            }
        ),
    },
    objectives=[Objective("val_accuracy", "max")],
    scheduler=ASHA(grace_period=1, reduction_factor=2),
    searcher=TPESearch(startup=8),
    budget=Budget(trials=16, epochs=8),
)
