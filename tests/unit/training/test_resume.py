"""Exact continuation: in another factory, in another process, of callbacks, phases, folds and repeats; exploits."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import callbacks, layers, optimizers

from pipeline.datasets import Dataset
from pipeline.errors import ModelError
from pipeline.space import Config
from pipeline.study import Fit, Phase, TuneJob
from pipeline.training.arrays import as_batch
from pipeline.training.ensemble import first_model
from pipeline.training.export import rebuilt
from pipeline.training.trainer_factory import TrainerFactory
from tests.model_kinds import KINDS, averaged, dense, rows_of_six
from tests.training import SEED, epochs_of, job_of, read_back, resumes_exactly, same, weights_of

LONG = pytest.mark.long
SCHEDULED = KINDS["AUC, Adamax, learning rate schedule"]


def full(config: Config) -> keras.Model:
    parts = [
        layers.Dense(8, activation="relu"),
        layers.BatchNormalization(),
        layers.Dropout(config.get("dropout", 0.3)),
    ]
    model = keras.Sequential([keras.Input((6,)), *parts, layers.Dense(3, activation="softmax")])
    model.compile(optimizers.Adam(config.get("lr", 0.1)), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def stateful(config: Config) -> keras.Model:
    """A recurrent layer with state between batches, in variables that are not the model's."""
    parts = [layers.Reshape((3, 2)), layers.LSTM(4, stateful=True), layers.Dense(3, activation="softmax")]
    model = keras.Sequential([keras.Input((6,), batch_size=4), *parts])
    model.compile(optimizers.SGD(config.get("lr", 0.1)), "sparse_categorical_crossentropy")
    return model


class Draws(layers.Layer):
    """Noise from Keras' global seed generator."""

    def call(self, x: Any, training: bool = False) -> Any:
        return x + keras.random.normal(keras.ops.shape(x)) if training else x


def drawing(config: Config) -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), Draws(), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize(
    ("build", "data", "fields", "memory"),
    [
        pytest.param(SCHEDULED.build, SCHEDULED.data, {}, None, id="schedule", marks=LONG),
        pytest.param(averaged, rows_of_six, {}, 100.0, id="averages, fit", marks=LONG),
        pytest.param(drawing, rows_of_six, {}, None, id="keras.random", marks=LONG),
        pytest.param(stateful, rows_of_six, {"batch_size": 4}, None, id="states", marks=LONG),
        pytest.param(dense, rows_of_six, {"fit": Fit(steps_per_epoch=4)}, None, id="part of a pass"),
    ],
)  # fmt: skip
def test_a_resumed_trial_ends_with_the_digits_of_an_uninterrupted_one(
    build: Any, data: Any, fields: Any, memory: float | None
) -> None:
    job, rows = job_of(build, **fields), data()
    factory, again = (TrainerFactory(job, rows, memory=memory) for _ in range(2))
    resumes_exactly(factory, {}, epochs=3, after=1, again=again)


def watching(config: Config) -> list[Any]:
    """The loss never falls by 9, so patience ends in the sixth epoch."""
    return [
        callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=2, min_delta=9.0),
        callbacks.EarlyStopping(monitor="val_loss", patience=5, min_delta=9.0, restore_best_weights=True),
    ]


# Exploits, and states that do not fit.


@pytest.fixture(scope="module")
def factory() -> TrainerFactory:
    return TrainerFactory(job_of(full, callbacks=watching), rows_of_six())


def test_an_exploit_keeps_only_the_own_numbers(factory: TrainerFactory) -> None:
    donor = factory.learner({"lr": 0.01, "dropout": 0.1}, seed=SEED)
    donor.run_epoch()
    state = donor.save()
    receiver: Any = factory.learner({"lr": 0.2, "dropout": 0.4}, seed=SEED)
    receiver.load(state, exploit=True)
    taken = receiver.save()
    rate = [v["path"] for v in taken.header["variables"]].index("adam/learning_rate")
    for position, (ours, theirs) in enumerate(zip(taken.arrays, state.arrays, strict=True)):
        assert np.array_equal(ours, theirs) == (position != rate)
    assert receiver.run_epoch().learning_rate == np.float32(0.2)
    assert float(receiver.model.layers[2].rate) == 0.4


def test_a_saved_state_is_a_copy_and_saving_a_loaded_one_gives_it_again(factory: TrainerFactory) -> None:
    learner, again = (factory.learner({}, seed=SEED) for _ in range(2))
    learner.run_epoch()
    state = learner.save()
    before = [np.array(array) for array in state.arrays]
    again.load(state)
    learner.run_epoch()
    assert same(state.arrays, before)
    assert not same(learner.save().arrays, before)
    assert again.save().header == state.header
    assert same(again.save().arrays, state.arrays)


@pytest.mark.parametrize("fields", [{"width": 5}, {"optimizer": "rmsprop"}])
def test_a_state_of_another_architecture_is_refused_and_changes_nothing(fields: dict[str, Any]) -> None:
    def build(config: Config) -> keras.Model:
        model = keras.Sequential([keras.Input((6,)), layers.Dense(config.get("width", 4)), layers.Dense(3, "softmax")])
        model.compile(config.get("optimizer", "sgd"), "sparse_categorical_crossentropy")
        return model

    factory = TrainerFactory(job_of(build), rows_of_six())
    state = factory.learner({}, seed=SEED).save()
    other = factory.learner(fields, seed=SEED)
    before = other.save()
    with pytest.raises(ModelError, match="another architecture"):
        other.load(state, exploit=True)
    assert same(other.save().arrays, before.arrays)


# Callbacks.


class MinimalLoss(callbacks.Callback):
    """As in Keras' guide: halves the rate after an epoch without a new minimum, and keeps the best weights.

    Reports what it has found when training begins.
    """

    def on_train_begin(self, logs: Any = None) -> None:
        self.best, self.wait = np.inf, 0
        self.found = float(self.model.optimizer.learning_rate), np.random.rand(), self.model.get_weights()[0]
        self.seen: list[tuple[int, float]] = []
        self.kinds: set[str] = set()
        self.rates: dict[float, list[int]] = defaultdict(list)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seen.append((epoch, float(logs["loss"])))
        self.kinds.add(str(epoch))
        self.rates[self.model.optimizer.iterations.numpy()].append(epoch)
        if logs["loss"] < self.best - 0.5:
            self.best, self.wait, self.best_weights = logs["loss"], 0, self.model.get_weights()
        else:
            self.wait += 1
            self.model.optimizer.learning_rate *= 0.5**self.wait
            self.model.set_weights([0.5 * array for array in self.best_weights])
        logs["rate"], logs["number"], first = self.found
        logs["moved"] = np.abs(self.model.get_weights()[0] - first).sum()


def test_a_users_callback_continues_with_what_it_has_changed() -> None:
    made = []

    def build(config: Config) -> list[Any]:
        made.append(MinimalLoss())
        return [made[-1]]

    resumes_exactly(TrainerFactory(job_of(dense, callbacks=build), rows_of_six()), {})
    assert [epoch for epoch, _ in made[-1].seen] == list(range(4))


def test_an_exploit_keeps_what_a_callback_has_of_its_own_config() -> None:
    class Factor(callbacks.Callback):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.factor, self.count = factor, 0

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.count += 1

    factory = TrainerFactory(job_of(dense, callbacks=lambda config: [Factor(config["x"])]), rows_of_six())
    donor, receiver = (factory.learner({"x": x}, seed=SEED) for x in (0.5, 0.7))
    donor.run_epoch()
    receiver.load(donor.save(), exploit=True)
    found = receiver.callbacks.list.callbacks[0]  # type: ignore[attr-defined]
    assert (found.factor, found.count) == (0.7, 1)


# Phases.

AT = 2


def frozen(config: Config) -> keras.Model:
    parts = [layers.Input((6,)), layers.Dense(5, "relu"), layers.BatchNormalization(), layers.Dropout(0.2)]
    base = keras.Sequential(parts, name="base")
    base.trainable = False
    x = keras.Input((6,))
    model = keras.Model(x, layers.Dense(3, activation="softmax")(base(x, training=False)))
    _compile(model, config.get("lr", 0.1))
    return model


def unfreeze(model: keras.Model, config: Config) -> None:
    model.get_layer("base").trainable = True
    _compile(model, config.get("lr", 0.1) / 10)


def _compile(model: keras.Model, rate: float) -> None:
    model.compile(optimizers.SGD(rate, momentum=0.9), "sparse_categorical_crossentropy")


def tuned(*, at: int = AT, prepare: Any = unfreeze, **fields: Any) -> TuneJob:
    return job_of(frozen, phases=[Phase(at=at, prepare=prepare)], **fields)


def pipelines() -> Dataset:
    train, validation = (
        tf.data.Dataset.from_tensor_slices(as_batch(split)) for split in (rows_of_six().train, rows_of_six().validation)
    )
    return Dataset("rows", train.shuffle(44).batch(8), validation.batch(8))


@pytest.mark.parametrize("kind", ["compiled", pytest.param("pipeline", marks=LONG)])
def test_phases_are_calls_of_fit_and_resume_exactly(kind: str) -> None:
    job = tuned(**({"data": pipelines} if kind == "pipeline" else {}))
    data = None if kind == "pipeline" else rows_of_six()
    factory = TrainerFactory(job, data)
    whole: Any = factory.learner({}, seed=SEED)
    results, states = [], []
    for _ in range(4):
        results.append(whole.run_epoch())
        states.append(whole.save())
    assert [result.phase for result in results] == [0, 0, 1, 1]
    assert [result.learning_rate for result in results] == pytest.approx([0.1, 0.1, 0.01, 0.01])
    for trained in (1, 3):
        resumed: Any = factory.learner({}, seed=SEED)
        resumed.load(read_back(states[trained - 1]))
        assert epochs_of(resumed, 4 - trained) == [dict(result.metrics) for result in results[trained:]]
    assert same(weights_of(resumed.model), weights_of(whole.model))
    exploiting: Any = factory.learner({"lr": 0.5}, seed=SEED)
    exploiting.load(states[-1], exploit=True)
    assert same(weights_of(exploiting.model), weights_of(whole.model))
    result = exploiting.run_epoch()
    assert (result.phase, result.learning_rate) == (1, pytest.approx(0.05))
    model = rebuilt(factory.build, {}, states[-1], seed=SEED)
    assert len(model.trainable_variables) == 6
    assert same(weights_of(model), weights_of(whole.model))


@LONG
def test_a_callback_that_stops_ends_the_phase() -> None:
    def stopping(config: Config) -> list[Any]:
        return [callbacks.EarlyStopping("loss", patience=1, min_delta=9.0, restore_best_weights=True)]

    factory = TrainerFactory(tuned(at=5, callbacks=stopping), rows_of_six())
    learner: Any = factory.learner({}, seed=SEED)
    results = [learner.run_epoch()]
    state = learner.save()
    while not results[-1].last:
        results.append(learner.run_epoch())
    assert [result.phase for result in results] == [0, 0, 1, 1]
    resumed = factory.learner({}, seed=SEED)
    resumed.load(state)
    assert epochs_of(resumed, 3) == [dict(result.metrics) for result in results[1:]]


def _forgets(model: keras.Model, config: Config) -> None:
    model.get_layer("base").trainable = True


@pytest.mark.parametrize(("prepare", "why"), [(lambda *_: 1, "type int"), (_forgets, "did not compile")])
def test_a_phase_that_leaves_no_model_to_train_is_named(prepare: Any, why: str) -> None:
    learner: Any = TrainerFactory(tuned(at=1, prepare=prepare), rows_of_six()).learner({}, seed=SEED)
    learner.run_epoch()
    with pytest.raises(ModelError, match=why):
        learner.run_epoch()


# Folds and repeats.


def plateaus(config: Config) -> list[Any]:
    return [callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=1, min_delta=0.01)]


@pytest.mark.parametrize("fields", [{"folds": 2}, pytest.param({"repeats": 2}, marks=LONG)])
def test_models_of_a_trial_resume_exactly_and_share_traces(fields: Mapping[str, int]) -> None:
    factory = TrainerFactory(job_of(dense, callbacks=plateaus, **fields), rows_of_six())
    resumes_exactly(factory, {}, epochs=3, after=1)
    if "repeats" in fields:
        learner = factory.learner({}, seed=SEED)
        learner.run_epoch()
        single = TrainerFactory(job_of(dense), rows_of_six()).learner({}, seed=SEED)
        single.load(first_model(read_back(learner.save())))
        assert learner.run_epoch().metrics["loss_repeat1"] == single.run_epoch().metrics["loss"]
