"""Six ways to change the learning rate over sixty epochs, each with its own parameters; the tutorial's settings first.

Time-based decay counts steps, so that the optimiser knows it; every other schedule is a function of the epoch, which a
LearningRateScheduler asks before each. A trial that is resumed continues with the rate it would have had. The cosine
ends with the trial's epochs, however many `--epochs` allows; a study that is given more of them later continues along
the longer cosine, so that its rates rise where it continues, and are not those of a study that had them from the start.
"""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.schedulers import FIFO
from pipeline.searchers import SobolSearch
from pipeline.space import Choice, IntUniform, LogUniform, Switch, Uniform
from pipeline.study import Budget, Objective, TuneJob
from tune_jobs.networks import tutorial_network

if TYPE_CHECKING:
    import keras


def build_model(config: Mapping[str, Any]) -> "keras.Model":
    """The tutorial's network, its learning rate falling with each step if the schedule is time-based."""
    import keras

    if config["schedule"] != "time_based":
        return tutorial_network(config)
    return tutorial_network(
        {**config, "lr": keras.optimizers.schedules.InverseTimeDecay(config["lr"], 1, config["decay"])}
    )


def callbacks(config: Mapping[str, Any]) -> list["keras.callbacks.Callback"]:
    """What sets the learning rate before each epoch, if the optimiser does not."""
    import keras

    if config["schedule"] == "time_based":
        return []
    # How long a trial may be is known to its callbacks, as Keras tells them, and to nothing else of a job.
    scheduler: keras.callbacks.LearningRateScheduler = keras.callbacks.LearningRateScheduler(
        lambda epoch, _rate: rate_of(epoch, config, epochs=scheduler.params["epochs"])
    )
    return [scheduler]


def rate_of(epoch: int, config: Mapping[str, Any], *, epochs: int) -> float:
    """The learning rate of an epoch."""
    if config["schedule"] == "cosine":
        return float(config["lr"] * _cosine(epoch / epochs))
    return float(config["lr"] * _SCHEDULES[config["schedule"]](epoch, config))


def _exponential(epoch: int, config: Mapping[str, Any]) -> float:
    return math.exp(-config["decay"] * epoch)


def _step(epoch: int, config: Mapping[str, Any]) -> float:
    return float(config["drop"] ** (epoch // config["every"]))


def _restarts(epoch: int, config: Mapping[str, Any]) -> float:
    """Cosine with warm restarts (Loshchilov and Hutter 2017); each cycle is `multiplier` times as long as the last."""
    length, within = config["cycle"], epoch
    while within >= length:
        within -= length
        length *= config["multiplier"]
    return _cosine(within / length)


def _cosine(part: float) -> float:
    return (1.0 + math.cos(math.pi * part)) / 2.0


_SCHEDULES: dict[str, Callable[[int, Mapping[str, Any]], float]] = {
    "constant": lambda _epoch, _config: 1.0,
    "exponential": _exponential,
    "step": _step,
    "restarts": _restarts,
}
"""The part of `lr` that is left in an epoch, counted from 0, by schedules that do not look at the end."""

JOB = TuneJob(
    name="mnist-schedules",
    description="Six learning rate schedules on MNIST over 60 epochs, the tutorial's settings first",
    model=build_model,
    callbacks=callbacks,
    data="mnist",
    space={
        "lr": LogUniform(0.005, 0.5),
        "momentum": Uniform(0.0, 0.95),
        "nesterov": Choice((False, True)),
        "batch_size": Choice((7, 64, 128, 196)),
        "schedule": Switch(
            {
                "constant": {},
                "time_based": {"decay": LogUniform(1e-6, 1e-2)},
                "exponential": {"decay": LogUniform(0.01, 1.0)},
                "step": {"drop": Uniform(0.1, 0.9), "every": IntUniform(5, 20)},
                "cosine": {},
                "restarts": {"cycle": IntUniform(3, 15), "multiplier": Choice((1, 2))},
            }
        ),
    },
    start_with=(
        {"schedule": "time_based", "lr": 0.1, "decay": 0.1 / 60, "momentum": 0.8, "nesterov": False, "batch_size": 7},
        {"schedule": "time_based", "lr": 0.01, "decay": 1e-6, "momentum": 0.9, "nesterov": True, "batch_size": 7},
        {"schedule": "exponential", "lr": 0.1, "decay": 0.1, "momentum": 0.8, "nesterov": False, "batch_size": 196},
    ),
    objectives=[Objective("val_accuracy", "max")],
    # Judged halfway, a schedule that ends well would lose to one that begins well.
    scheduler=FIFO(),
    searcher=SobolSearch(),
    budget=Budget(trials=19, epochs=60),
)
