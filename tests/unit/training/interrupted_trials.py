"""Interrupted trials; as a program, this module continues their saved states in its own process."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import callbacks, layers, optimizers

from pipeline.space import Config
from pipeline.storage import unpack
from pipeline.study import Budget, TuneJob
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.model_kinds import rows_of_six
from tests.unit.training.reference_training import job_of, weights_of

BEFORE, AFTER = 3, 3
FROM_THE_START = "EarlyStopping, ReduceLROnPlateau"
CONFIG = {"dropout": 0.3, "lr": 0.05}


def full(config: Config) -> keras.Model:
    """A model with Dropout, BatchNormalization and Adam."""
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(config.get("width", 8), activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(config.get("dropout", 0.3)),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(
        optimizers.Adam(config.get("lr", 0.1)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


def hidden(config: Config) -> keras.Model:
    """A recurrent layer with state between batches, in variables that are not the model's."""
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
    """A user's callback that has state and adds to the metrics."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Add the sum of the values so far."""
        self.losses.append(logs["loss"])
        logs["losses"] = sum(self.losses)

    def get_state(self) -> dict[str, Any]:
        """The sum so far."""
        return {"losses": self.losses, "array": np.array(self.losses)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from a sum."""
        assert list(state["array"]) == state["losses"]
        self.losses = state["losses"]


def stateful_callbacks(config: Config) -> list[Any]:
    """Callbacks that depend on earlier epochs; the loss never falls by 9, so patience ends in the sixth."""
    return [
        callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=2, min_delta=9.0),
        callbacks.EarlyStopping(monitor="val_loss", patience=5, min_delta=9.0, restore_best_weights=True),
    ]


def restarting(config: Config) -> list[Any]:
    """A learning rate with warm restarts, and a user's callback."""
    rate = callbacks.LearningRateScheduler(lambda epoch, _rate: 0.05 * (1 + math.cos(math.pi * (epoch % 4) / 4)))
    return [rate, Counted()]


def _job(model: Any, **fields: Any) -> TuneJob:
    return job_of(model, budget=Budget(epochs=BEFORE + AFTER), **fields)


JOBS = {
    FROM_THE_START: (_job(full, callbacks=stateful_callbacks), rows_of_six),
    "stateful LSTM, warm restarts, own callback": (_job(hidden, callbacks=restarting, batch_size=4), rows_of_six),
}


def outcome(learner: Any, epochs: int) -> dict[str, Any]:
    """The result of a trial: metrics and learning rate by epoch, weights, and what was stopped or restored."""
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
    folder, seed, found = Path(sys.argv[1]), int(sys.argv[2]), {}
    for number, (name, (job, data)) in enumerate(JOBS.items()):
        trainer_factory: Any = TrainerFactory(job, data())
        # Something else was trained here before.
        other = trainer_factory.learner({"dropout": 0.1, "lr": 0.3}, seed=seed + 1)
        other.run_epoch()
        other.close()
        resumed = trainer_factory.learner(CONFIG, seed=seed)
        resumed.load(unpack((folder / f"{number}").read_bytes(), name))
        found[name] = outcome(resumed, AFTER)
        if name == FROM_THE_START:
            found["from the start"] = outcome(trainer_factory.learner(CONFIG, seed=seed), AFTER)
    (folder / "found.json").write_text(json.dumps(found))
