"""Networks and optimisers that several jobs share."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def tutorial_network(config: Mapping[str, Any]) -> "keras.Model":
    """The tutorial's network: Dense, Dropout, Dense, and a softmax over ten classes."""
    import keras

    width, initialiser = config.get("width", 64), config.get("initialiser", "uniform")
    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(width, activation="relu", kernel_initializer=initialiser),
            keras.layers.Dropout(config.get("dropout", 0.1)),
            keras.layers.Dense(width, activation="relu", kernel_initializer=initialiser),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=optimiser_of(config), loss=config.get("loss", "categorical_crossentropy"), metrics=["accuracy"]
    )
    return model


def optimiser_of(config: Mapping[str, Any]) -> "keras.optimizers.Optimizer":
    """An optimiser with the settings that a config has for it."""
    import keras

    kinds = {
        "sgd": (keras.optimizers.SGD, ("momentum", "nesterov")),
        "rmsprop": (keras.optimizers.RMSprop, ("rho", "momentum")),
        "adagrad": (keras.optimizers.Adagrad, ()),
        "adam": (keras.optimizers.Adam, ("beta_1", "beta_2")),
        "adamw": (keras.optimizers.AdamW, ("beta_1", "beta_2", "weight_decay")),
        "nadam": (keras.optimizers.Nadam, ("beta_1", "beta_2")),
    }
    kind, names = kinds[config.get("optimiser", "sgd")]
    return kind(config["lr"], **{name: config[name] for name in names if name in config})
