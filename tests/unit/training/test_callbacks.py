from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import callbacks, layers, optimizers

from pipeline.space import Config
from pipeline.study import Budget
from pipeline.training.workplace import Workplace
from tests.unit.training.kinds import averaged, rows_of_six
from tests.unit.training.training import fitted, job_of, weights_of

EPOCHS, SEED = 4, 1


def network(config: Config) -> keras.Model:
    """A small network with Dropout, at a learning rate that callbacks can move."""
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, "relu"), layers.Dropout(0.2), layers.Dense(3, "softmax")]
    )
    model.compile(
        optimizers.SGD(config.get("lr", 0.3)),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    return model


class Heard(callbacks.Callback):
    """Writes down every hook with what it is told; a class attribute, since the job makes the callback."""

    heard: list[Any] = []  # noqa: RUF012

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin a new list."""
        type(self).heard = [("train_begin", dict(self.params))]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note it."""
        self.heard.append(("epoch_begin", epoch))

    def on_test_begin(self, logs: Any = None) -> None:
        """Note it."""
        self.heard.append(("test_begin",))

    def on_test_end(self, logs: Any = None) -> None:
        """Note it."""
        self.heard.append(("test_end", dict(logs)))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note it."""
        self.heard.append(("epoch_end", epoch, dict(logs)))

    def on_train_end(self, logs: Any = None) -> None:
        """Note it."""
        self.heard.append(("train_end", dict(logs)))


class HeardBatches(Heard):
    """Hears of every batch as well, and ends training in the middle of an epoch."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Note it."""
        self.heard.append(("batch_begin", batch))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note it, and stop in the second epoch."""
        self.heard.append(("batch_end", batch, dict(logs)))
        if self.model.optimizer.iterations == 9:
            self.model.stop_training = True

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note it."""
        self.heard.append(("test_batch_end", batch, dict(logs)))


def _stopping(config: Config) -> list[Any]:
    return [callbacks.EarlyStopping(monitor="loss", mode="max", patience=1, restore_best_weights=True)]


def _plateau(config: Config) -> list[Any]:
    return [callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=1, min_delta=0.5, cooldown=1)]


def _scheduler(config: Config) -> list[Any]:
    return [callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.7 if epoch else rate)]


def _checkpoint(config: Config) -> list[Any]:
    return [callbacks.ModelCheckpoint(f"{config['folder']}/{{epoch}}.weights.h5", save_weights_only=True)]


def _csv(config: Config) -> list[Any]:
    return [callbacks.CSVLogger(f"{config['folder']}/log.csv")]


CASES = {
    "LearningRateScheduler": (network, _scheduler),
    "EarlyStopping": (network, _stopping),
    "ReduceLROnPlateau": (network, _plateau),
    "ModelCheckpoint": (network, _checkpoint),
    "CSVLogger": (network, _csv),
    "TerminateOnNaN": (network, lambda _: [callbacks.TerminateOnNaN()]),
    "SwapEMAWeights": (averaged, lambda _: [callbacks.SwapEMAWeights()]),
    "SwapEMAWeights on epochs": (averaged, lambda _: [callbacks.SwapEMAWeights(swap_on_epoch=True)]),
    "epoch hooks": (network, lambda _: [Heard()]),
    "batch hooks": (network, lambda _: [HeardBatches()]),
}


def _run(build: Any, made: Callable[[Config], list[Any]], folder: Path) -> tuple[Any, Any]:
    """The learner after its training, and the metrics of its epochs."""
    folder.mkdir()
    learner: Any = Workplace(job_of(build, callbacks=made, budget=Budget(epochs=EPOCHS)), rows_of_six()).learner(
        {"folder": str(folder)}, seed=SEED
    )
    found = []
    while len(found) < EPOCHS and not (found and found[-1].last):
        found.append(learner.run_epoch())
    learner.close()
    return learner, found


@pytest.mark.parametrize("name", list(CASES))
def test_equals_fit(name: str, tmp_path: Path) -> None:
    """Callbacks do and hear under compiled epochs what they do and hear under Keras' fit."""
    build, made = CASES[name]
    (tmp_path / "fit").mkdir()
    config = {"folder": str(tmp_path / "fit")}
    model, history = fitted(job_of(build, callbacks=made), rows_of_six(), seed=SEED, epochs=EPOCHS, config=config)
    heard = Heard.heard + HeardBatches.heard

    learner, found = _run(build, made, tmp_path / "compiled")

    metrics = {key: [result.metrics[key] for result in found] for key in found[0].metrics}
    assert metrics == {key: values for key, values in history.items() if key != "learning_rate"}
    assert learner.model.history.history == history
    pairs = zip(weights_of(learner.model), weights_of(model), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert learner.model.optimizer.learning_rate == model.optimizer.learning_rate
    assert len(found) == len(history["loss"]) == {"EarlyStopping": 2, "batch hooks": 2}.get(name, EPOCHS)
    assert Heard.heard + HeardBatches.heard == heard
    assert _files(tmp_path / "compiled") == _files(tmp_path / "fit")


def _files(folder: Path) -> dict[str, str]:
    """Every file that callbacks left: weights by name, tables with their text."""
    return {file.name: file.read_text() if file.suffix == ".csv" else "" for file in folder.iterdir()}
