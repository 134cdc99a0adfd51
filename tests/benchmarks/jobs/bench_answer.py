"""Five studies of different kinds, each tuned for a fixed time: `bench_answer.py:NAME` runs one of them."""

from functools import cache
from typing import Any

import numpy as np

from pipeline import Budget, Choice, Dataset, IntUniform, LogUniform, Objective, Split, Switch, TuneJob, Uniform
from pipeline.datasets import load
from tune_jobs.networks import tutorial_network

_ROWS = 6000


def _digits(shape: tuple[int, ...]) -> Dataset:
    parts = [Split(part.x[:_ROWS].reshape(-1, *shape), part.y[:_ROWS]) for part in _mnist()]
    return Dataset("digits", *parts)


@cache
def _mnist() -> tuple[Any, Any]:
    data = load("mnist")
    return data.train, data.validation


def images() -> Dataset:
    return _digits((28, 28, 1))


def sequences() -> Dataset:
    """Digits as 28 steps of 28 pixels."""
    return _digits((28, 28))


def vectors() -> Dataset:
    return _digits((784,))


def table() -> Dataset:
    """Friedman's first function (Annals of Statistics, 1991): ten columns, five of them without effect, and noise."""
    rng = np.random.default_rng(0)
    x = rng.random((6000, 10), "float32")
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    y = (y + rng.normal(size=len(x))).astype("float32")
    return Dataset("table", Split(x[:4000], y[:4000]), Split(x[4000:], y[4000:]))


def convolutional(config: dict[str, Any]) -> Any:
    from keras import Input, layers

    one, two = (layers.Conv2D(config["filters"] * more, config["kernel"], activation="relu") for more in (1, 2))
    pools = [layers.MaxPooling2D(), layers.GlobalAveragePooling2D()]
    return _classifier([Input((28, 28, 1)), one, pools[0], two, pools[1], layers.Dropout(config["dropout"])], config)


def recurrent(config: dict[str, Any]) -> Any:
    from keras import Input, layers

    return _classifier([Input((28, 28)), layers.GRU(config["units"]), layers.Dropout(config["dropout"])], config)


def regression(config: dict[str, Any]) -> Any:
    import keras

    rate, hidden = keras.regularizers.L2(config["l2"]), []
    for _ in range(config["depth"]):
        hidden.append(keras.layers.Dense(config["width"], "relu", kernel_regularizer=rate))
    model = keras.Sequential([keras.Input((10,)), *hidden, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(config["lr"]), "mse", metrics=["mae"])
    return model


def conditional(config: dict[str, Any]) -> Any:
    import keras

    hidden = [keras.Input((784,))]
    for _ in range(config["depth"]):
        hidden += [keras.layers.Dense(config["width"], config["activation"]), keras.layers.Dropout(config["dropout"])]
    if config["optimizer"] == "sgd":
        optimizer = keras.optimizers.SGD(config["sgd_lr"], config["momentum"], nesterov=config["nesterov"])
    else:
        optimizer = keras.optimizers.Adam(config["adam_lr"], beta_1=config["beta_1"])
    return _classifier(hidden, config, optimizer)


def _classifier(hidden: list[Any], config: dict[str, Any], optimizer: Any = None) -> Any:
    import keras

    model = keras.Sequential([*hidden, keras.layers.Dense(10, "softmax")])
    optimizer = optimizer or keras.optimizers.Adam(config["lr"])
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    return model


_LR, _DROPOUT = LogUniform(1e-4, 1e-1), Uniform(0.0, 0.6)
_SGD = {"sgd_lr": LogUniform(1e-3, 1.0), "momentum": Uniform(0.0, 0.99), "nesterov": Choice((False, True))}
_OPTIMIZER = Switch({"sgd": _SGD, "adam": {"adam_lr": _LR, "beta_1": Uniform(0.7, 0.99)}})
_NETWORK = {"depth": IntUniform(1, 4), "width": Choice((16, 32, 64, 128, 256))}
_BATCHES = {"batch_size": Choice((32, 64, 128, 256))}
_MOST = Objective("val_accuracy", "max")
_MADE_OF = {
    "dense": (tutorial_network, "mnist", _MOST, {
        "lr": LogUniform(0.01, 0.5), "momentum": Uniform(0.0, 0.9), "width": Choice((32, 64, 128)),
    }),
    "images": (convolutional, images, _MOST, {
        "lr": _LR, "dropout": _DROPOUT, "filters": Choice((4, 8, 16)), "kernel": Choice((3, 5)),
    }),
    "sequences": (recurrent, sequences, _MOST, {"lr": _LR, "dropout": _DROPOUT, "units": Choice((8, 16, 32, 64))}),
    "table": (regression, table, Objective("val_mae", "min"), {
        "lr": _LR, "l2": LogUniform(1e-7, 1e-2), **_NETWORK, **_BATCHES,
    }),
    "conditional": (conditional, vectors, _MOST, {
        "optimizer": _OPTIMIZER, "activation": Choice(("relu", "tanh", "elu")), "dropout": _DROPOUT,
        **_NETWORK, **_BATCHES,
    }),
}  # fmt: skip
JOBS = {
    name: TuneJob(
        name=name, model=model, data=data, space=space, objectives=[objective], budget=Budget(trials=1000, epochs=27)
    )
    for name, (model, data, objective, space) in _MADE_OF.items()
}
globals().update(JOBS)
