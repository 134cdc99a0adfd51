"""Networks that several jobs share."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

__all__ = ["tutorial_network"]


def tutorial_network(config: Mapping[str, Any]) -> "keras.Model":
    """The tutorial's network: Dense, Dropout, Dense, and a softmax over ten classes, trained by SGD.

    Args:
        config: `lr`, and optionally `momentum` (0), `width` of both hidden layers (64) and `dropout` (0.1).

    Returns:
        A compiled model for 784 inputs and one-hot targets.
    """
    import keras

    width = config.get("width", 64)
    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(width, activation="relu", kernel_initializer="random_uniform"),
            keras.layers.Dropout(config.get("dropout", 0.1)),
            keras.layers.Dense(width, activation="relu", kernel_initializer="random_uniform"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.SGD(config["lr"], momentum=config.get("momentum", 0.0)),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model
