"""Trials that are interrupted: run as a program, it takes over their saved states in a process of its own."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import callbacks, layers, optimizers

from pipeline.datasets import Dataset
from pipeline.space import Config
from pipeline.storage import pack, unpack
from pipeline.study import Budget, TuneJob
from pipeline.training.workplace import Workplace
from tests.unit.training.kinds import convolution, images, rows_of_six
from tests.unit.training.training import job_of, weights_of

__all__ = ["AFTER", "BEFORE", "CONFIG", "JOBS", "go_on", "keep"]

BEFORE, AFTER, SEED = 3, 3, 2
CONFIG = {"rate": 0.3, "lr": 0.05}


def everything(config: Config) -> keras.Model:
    """Dropout, BatchNormalization and Adam."""
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(config.get("width", 8), activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(config["rate"]),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(
        optimizers.Adam(config["lr"]), loss="sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False
    )
    return model


def hidden(config: Config) -> keras.Model:
    """A recurrent layer that remembers from batch to batch, in variables that are not the model's."""
    model = keras.Sequential(
        [
            keras.Input((6,), batch_size=4),
            layers.Reshape((3, 2)),
            layers.LSTM(4, stateful=True),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizers.SGD(config["lr"]), loss="sparse_categorical_crossentropy", jit_compile=False)
    return model


class Counted(callbacks.Callback):
    """A callback of the user's own, with state, that changes the training."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Lower the learning rate by what has been seen so far."""
        self.losses.append(logs["loss"])
        self.model.optimizer.learning_rate = 0.1 / (1 + sum(self.losses))

    def get_state(self) -> dict[str, Any]:
        """What has been seen."""
        return {"losses": self.losses, "array": np.array(self.losses)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from it."""
        assert list(state["array"]) == state["losses"]
        self.losses = state["losses"]


def watching(config: Config) -> list[Any]:
    """Callbacks that remember: the best weights, a plateau, how long it has lasted."""
    return [
        callbacks.EarlyStopping(monitor="loss", mode="max", patience=4, restore_best_weights=True),
        callbacks.ReduceLROnPlateau(monitor="loss", min_delta=1.0, factor=0.5, patience=2, cooldown=1),
    ]


def restarting(config: Config) -> list[Any]:
    """A learning rate with warm restarts."""
    return [callbacks.LearningRateScheduler(lambda epoch, _rate: 0.05 * (1 + math.cos(math.pi * (epoch % 4) / 4)))]


def counting(config: Config) -> list[Any]:
    """The user's own."""
    return [Counted()]


def _job(model: Any, **fields: Any) -> TuneJob:
    return job_of(model, budget=Budget(epochs=BEFORE + AFTER), **fields)


JOBS = {
    "EarlyStopping, ReduceLROnPlateau": (_job(everything, callbacks=watching), rows_of_six),
    "warm restarts": (_job(everything, callbacks=restarting), rows_of_six),
    "a schedule, augmentation": (_job(convolution), images),
    "stateful LSTM, own callback": (_job(hidden, callbacks=counting, batch_size=4), rows_of_six),
}


def start(job: TuneJob, data: Dataset) -> Any:
    """A trial that has not begun."""
    return Workplace(job, data).learner(CONFIG, seed=SEED)


def keep(learner: Any, path: Path) -> None:
    """Save a trial's state as a file."""
    path.write_bytes(b"".join(pack(learner.save())))


def go_on(learner: Any, epochs: int) -> dict[str, Any]:
    """What becomes of a trial: metrics and learning rate by epoch, weights, and what was stopped or restored."""
    results = []
    for _ in range(epochs):
        results.append(learner.run_epoch())
        if results[-1].last:
            break
    learner.close()
    return {
        "metrics": [[dict(result.metrics), result.learning_rate, result.last] for result in results],
        "weights": [array.tobytes().hex() for array in weights_of(learner.model)],
        "history": learner.model.history.history,
    }


if __name__ == "__main__":
    from pipeline.study import Resources
    from pipeline.training.process import set_up

    set_up(Resources())
    folder, found = Path(sys.argv[1]), {}
    for number, (name, (job, data)) in enumerate(JOBS.items()):
        resumed = start(job, data())
        resumed.load(unpack((folder / f"{number}.ckpt").read_bytes(), str(number)))
        found[name] = go_on(resumed, AFTER)
    (folder / "found.json").write_text(json.dumps(found))
