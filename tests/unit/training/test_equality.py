"""A trial has the metrics and the weights of Keras' own fit, to the last digit, whichever way it trains."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import callbacks, layers, optimizers

from pipeline.datasets import Dataset
from pipeline.errors import DataError
from pipeline.space import Config
from pipeline.study import Budget, Fit
from pipeline.training.trainer import CompiledTrainer, FitTrainer
from pipeline.training.trainer_factory import TrainerFactory
from tests.cases import cases
from tests.model_kinds import KINDS, averaged, dense, rows_of_six, two_targets, weighted
from tests.training import SEED, epochs_of, equals_fit, fitted, job_of, same, weights_of
from tests.unit.training.programs import reading, text_arrays

EPOCHS = 4
LONG = pytest.mark.long
OFTEN = {"two outputs, weights of each"}
"""One for each form of inputs, outputs, weights, steps, metrics and states; `make test-all` tries all kinds."""


@pytest.mark.parametrize("name", cases(KINDS, OFTEN))
def test_a_compiled_epoch_equals_fit(name: str) -> None:
    kind = KINDS[name]
    job, data = job_of(kind.build, batch_size=kind.batch_size), kind.data()
    model, history = fitted(job, data, epochs=2)
    learner: Any = TrainerFactory(job, data).learner({}, seed=SEED)
    assert isinstance(learner, CompiledTrainer)
    equals_fit(learner, model, history, 2)


def eager(config: Config) -> keras.Model:
    model = dense(config)
    model.compile(optimizers.SGD(0.1, momentum=0.9), model.loss, metrics=["accuracy"], run_eagerly=True)
    return model


def mirrored(config: Config) -> keras.Model:
    with tf.distribute.MirroredStrategy().scope():
        return averaged(config)


@pytest.mark.parametrize(("build", "fields", "memory", "why"), [
    pytest.param(eager, {}, None, "run_eagerly", id="eager"),
    pytest.param(dense, {}, 100.0, "too large", id="too large"),
    pytest.param(mirrored, {}, None, "scope of a tf.distribute strategy", id="mirrored", marks=LONG),
])  # fmt: skip
def test_what_cannot_be_compiled_goes_through_fit(
    build: Any, fields: Any, memory: float | None, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = weighted() if build is mirrored else rows_of_six()
    factory = TrainerFactory(job_of(build, **fields), data, memory=memory)
    learner: Any = factory.learner({}, seed=SEED)
    factory.learner({}, seed=1).close()
    assert isinstance(learner, FitTrainer)
    assert why in learner.trained_with
    assert sum("Keras' fit" in line for line in capsys.readouterr().out.splitlines()) == 1
    if build in (dense, mirrored):
        compiled: Any = TrainerFactory(job_of(averaged if build is mirrored else build), data).learner({}, seed=SEED)
        assert epochs_of(learner, 2) == epochs_of(compiled, 2)
        for each in (learner, compiled):
            each.close()
        assert same(weights_of(learner.model), weights_of(compiled.model))
    else:
        assert np.isfinite(learner.run_epoch().metrics["val_loss"])


@LONG
def test_texts_train_both_ways() -> None:
    data, job, found = text_arrays(), job_of(reading), []
    for memory, kind in ((None, CompiledTrainer), (0, FitTrainer)):
        learner = TrainerFactory(job, data, memory=memory).learner({}, seed=SEED)
        assert type(learner) is kind
        found.append(epochs_of(learner, 2))
    assert found[0] == found[1]


# Callbacks.


def network(config: Config) -> keras.Model:
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, "relu"), layers.Dropout(0.2), layers.Dense(3, "softmax")]
    )
    loss = "sparse_categorical_crossentropy"
    model.compile(optimizers.SGD(config.get("lr", 0.3)), loss, metrics=["accuracy"], jit_compile=False)
    return model


class RecordedHooks(callbacks.Callback):
    calls: list[Any] = []  # noqa: RUF012

    def on_train_begin(self, logs: Any = None) -> None:
        type(self).calls = [("train_begin", dict(self.params))]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.calls.append(("epoch_begin", epoch))

    def on_test_begin(self, logs: Any = None) -> None:
        self.calls.append(("test_begin",))

    def on_test_end(self, logs: Any = None) -> None:
        self.calls.append(("test_end", dict(logs)))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.calls.append(("epoch_end", epoch, dict(logs)))

    def on_train_end(self, logs: Any = None) -> None:
        self.calls.append(("train_end", dict(logs)))


class RecordedBatchHooks(RecordedHooks):
    """Ends training in the middle of its second epoch."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.calls.append(("batch_begin", batch))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls.append(("batch_end", batch, dict(logs)))
        if self.model.optimizer.iterations == 9:
            self.model.stop_training = True

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls.append(("test_batch_end", batch, dict(logs)))


class Frozen(callbacks.Callback):
    def on_train_begin(self, logs: Any = None) -> None:
        self.model.layers[0].trainable = False
        self.model.layers[1].rate = 0.6
        self.model.optimizer.learning_rate = optimizers.schedules.PiecewiseConstantDecay([4], [0.2, 0.1])


class Freezing(callbacks.Callback):
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.model.layers[0].trainable = epoch == 0
        if epoch == 1:
            self.model.make_train_function(force=True)


class Ending(callbacks.Callback):
    def __init__(self, hook: str) -> None:
        super().__init__()
        setattr(self, hook, lambda *_: setattr(self.model, "stop_training", True))


CALLBACKS: Mapping[str, Any] = {
    "a frozen layer": lambda _: [Frozen()],
    "another train function": lambda _: [Freezing()],
    "the end in on_train_begin": lambda _: [Ending("on_train_begin")],
    "the end in on_train_begin, batch hooks": lambda _: [Ending("on_train_begin"), RecordedBatchHooks()],
    "files and a schedule": lambda config: [
        callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.7 if epoch else rate),
        callbacks.ModelCheckpoint(f"{config['folder']}/{{epoch}}.weights.h5", save_weights_only=True),
        callbacks.CSVLogger(f"{config['folder']}/log.csv"),
    ],
    "EarlyStopping": lambda _: [callbacks.EarlyStopping("loss", mode="max", patience=1, restore_best_weights=True)],
    "ReduceLROnPlateau": lambda _: [
        callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=0.5, cooldown=1)
    ],
    "TerminateOnNaN at a NaN": lambda _: [callbacks.TerminateOnNaN()],
    "SwapEMAWeights on epochs": lambda _: [callbacks.SwapEMAWeights(swap_on_epoch=True)],
    "epoch hooks": lambda _: [RecordedHooks()],
    "batch hooks": lambda _: [RecordedBatchHooks()],
}
ENDS = {"EarlyStopping": 2, "batch hooks": 2, "TerminateOnNaN at a NaN": 1}
ENDS |= {name: 1 for name in CALLBACKS if name.startswith("the end")}


@pytest.mark.parametrize(
    "name", cases(CALLBACKS, {"files and a schedule", "batch hooks", "a frozen layer", "another train function"})
)
def test_callbacks_get_the_calls_of_fit_and_have_its_effects(name: str, tmp_path: Path) -> None:
    build = averaged if "EMA" in name else network
    job = job_of(build, callbacks=CALLBACKS[name], budget=Budget(epochs=EPOCHS))
    config = {"lr": 1e30 if "at a NaN" in name else 0.3}
    folders = [tmp_path / "fit", tmp_path / "own"]
    for folder in folders:
        folder.mkdir()
    model, history = fitted(job, rows_of_six(), epochs=EPOCHS, config={**config, "folder": str(folders[0])})
    calls = RecordedHooks.calls + RecordedBatchHooks.calls
    factory = TrainerFactory(job, rows_of_six())
    learner: Any = factory.learner({**config, "folder": str(folders[1])}, seed=SEED)
    found = [learner.run_epoch()]
    while len(found) < EPOCHS and not found[-1].last:
        found.append(learner.run_epoch())
    learner.close()
    metrics = {key: [result.metrics[key] for result in found] for key in found[0].metrics}
    np.testing.assert_equal(metrics, {key: values for key, values in history.items() if key != "learning_rate"})
    np.testing.assert_equal(learner.model.history.history, history)
    np.testing.assert_equal(weights_of(learner.model), weights_of(model))
    assert learner.model.optimizer.learning_rate == model.optimizer.learning_rate
    assert len(found) == len(history["loss"]) == ENDS.get(name, EPOCHS)
    assert RecordedHooks.calls + RecordedBatchHooks.calls == calls
    files = [{file.name: file.suffix == ".csv" and file.read_text() for file in folder.iterdir()} for folder in folders]
    assert files[0] == files[1]


def test_a_loss_that_is_not_finite_ends_the_epoch_and_the_training() -> None:
    learner: Any = TrainerFactory(job_of(network), rows_of_six()).learner({"lr": 1e30}, seed=1)
    result = learner.run_epoch()
    assert not np.isfinite(result.metrics["loss"])
    assert result.last
    assert 0 < int(learner.model.optimizer.iterations) < 6


# Arguments of fit.


@pytest.mark.parametrize("memory", [None, pytest.param(100.0, marks=LONG)])
def test_arguments_of_fit_have_its_effects(memory: float | None) -> None:
    fit = Fit(class_weight={0: 0.5, 2: 3.0}, validation_steps=2, shuffle=False)
    job, data = job_of(dense, fit=fit), rows_of_six()
    arguments = {name: value for name, value in fit.given.items() if name != "shuffle"}
    model, history = fitted(job, data, epochs=2, **arguments)
    equals_fit(TrainerFactory(job, data, memory=memory).learner({}, seed=SEED), model, history, 2, rel=1e-5)


@pytest.mark.parametrize("memory", [None, pytest.param(100.0, marks=LONG)])
def test_an_epoch_of_part_of_a_pass_ends_with_the_pass(memory: float | None) -> None:
    job = job_of(dense, fit=Fit(steps_per_epoch=4))
    learner: Any = TrainerFactory(job, rows_of_six(), memory=memory).learner({}, seed=SEED)
    epochs_of(learner, 4)
    # A pass has 6 batches: epochs of 4, 2, 4 and 2.
    assert int(learner.model.optimizer.iterations.numpy()) == 12


ROWS = tf.data.Dataset.from_tensor_slices((np.zeros((4, 6)), np.zeros(4))).batch(2)


@pytest.mark.parametrize(("data", "fit", "why"), [
    (Dataset("d", ROWS.repeat(), ROWS), Fit(), "endless.*steps_per_epoch"),
    (Dataset("d", ROWS, ROWS.repeat()), Fit(), "endless.*validation_steps"),
    (weighted(), Fit(class_weight={0: 1.0}), "class_weight"),
    (two_targets(), Fit(class_weight={0: 1.0}), "class_weight"),
])  # fmt: skip
def test_data_that_do_not_fit_are_refused(data: Dataset, fit: Fit, why: str) -> None:
    with pytest.raises(DataError, match=why):
        TrainerFactory(job_of(dense, data=lambda: data, fit=fit), data).learner({}, seed=SEED)
