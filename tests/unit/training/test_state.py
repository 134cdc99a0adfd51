"""Exact continuation in another trainer factory, in another process, and under another trial's config."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import callbacks, layers

from pipeline.errors import ModelError
from pipeline.storage import Checkpoint, pack, unpack
from pipeline.study import Objective
from pipeline.training.state import without_numbers
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.interrupted_trials import (
    AFTER,
    BEFORE,
    CONFIG,
    FROM_THE_START,
    JOBS,
    full,
    outcome,
    stateful_callbacks,
)
from tests.unit.training.model_kinds import KINDS, averaged, rows_of_six
from tests.unit.training.own_train_steps import OWN_STEPS, images
from tests.unit.training.reference_training import job_of

SEED = 2


def written_and_read(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint as it is read from a file."""
    return unpack(b"".join(pack(checkpoint)), "a checkpoint")


class DrawsInTensorFlow(layers.Layer):
    """A layer with noise from a generator within TensorFlow."""

    def call(self, x: Any, training: bool = False) -> Any:
        """Add noise."""
        return x + tf.random.normal(tf.shape(x)) if training else x


class DrawsInKeras(layers.Layer):
    """A layer with noise from Keras' global seed generator."""

    def call(self, x: Any, training: bool = False) -> Any:
        """Add noise."""
        return x + keras.random.normal(keras.ops.shape(x)) if training else x


def drawing(layer: type[layers.Layer]) -> Any:
    """A model function with a layer that draws."""

    def build(config: Mapping[str, Any]) -> keras.Model:
        model = keras.Sequential([keras.Input((6,)), layer(), layers.Dense(3, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    return build


@pytest.mark.parametrize(
    ("build", "data", "batch_size"),
    [
        *[
            pytest.param(KINDS[name].build, KINDS[name].data, KINDS[name].batch_size, id=name)
            for name in (
                "AUC, Adamax, learning rate schedule",
                "augmentation, convolution, BatchNormalization, Dropout",
            )
        ],
        pytest.param(averaged, rows_of_six, 11, id="averaged weights"),
        pytest.param(drawing(DrawsInKeras), rows_of_six, 8, id="keras.random"),
    ],
)
def test_continues_exactly(build: Any, data: Any, batch_size: int) -> None:
    """A resumed trial ends with the digits of an uninterrupted one."""
    job, rows = job_of(build, batch_size=batch_size), data()
    first = TrainerFactory(job, rows).learner({}, seed=SEED)
    first.run_epoch()
    state = written_and_read(first.save())
    expected = [first.run_epoch().metrics for _ in range(2)]

    second: Any = TrainerFactory(job, rows).learner({}, seed=SEED)
    second.load(state)

    assert second.inexact is None
    assert [second.run_epoch().metrics for _ in range(2)] == expected


@pytest.fixture(scope="module")
def trainer_factory() -> TrainerFactory:
    """A factory for the full model, which is traced once for all tests."""
    return TrainerFactory(job_of(full, callbacks=stateful_callbacks), rows_of_six())


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """The results of each trial without an interruption, and after one in another process."""
    folder, unbroken = tmp_path_factory.mktemp("states"), {}
    for number, (name, (job, data)) in enumerate(JOBS.items()):
        learner: Any = TrainerFactory(job, data()).learner(CONFIG, seed=SEED)
        if name == FROM_THE_START:
            unbroken["from the start"] = json.loads(json.dumps(outcome(learner, AFTER)))
            learner = TrainerFactory(job, data()).learner(CONFIG, seed=SEED)
        for _ in range(BEFORE):
            learner.run_epoch()
        (folder / f"{number}").write_bytes(b"".join(pack(learner.save())))
        unbroken[name] = json.loads(json.dumps(outcome(learner, AFTER)))
    subprocess.run([sys.executable, "-m", "tests.unit.training.interrupted_trials", str(folder), str(SEED)], check=True)
    return unbroken, json.loads((folder / "found.json").read_text())


@pytest.mark.parametrize("name", list(JOBS))
def test_continues_exactly_in_another_process(name: str, outcomes: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """A resumed trial in another process has the metrics, rates, weights and history of an uninterrupted one."""
    unbroken, resumed = outcomes
    assert resumed[name] == unbroken[name]


def test_config_and_seed_determine_everything(outcomes: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """A trial in another process, after other trials, has the same results to the last digit."""
    assert outcomes[1]["from the start"] == outcomes[0]["from the start"]


def test_callbacks_remember(outcomes: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """The trial with EarlyStopping and ReduceLROnPlateau changes its rate and stops at its third epoch."""
    watched = outcomes[0]["EarlyStopping, ReduceLROnPlateau"]["metrics"]
    assert len({rate for _, rate, _ in watched}) > 1
    assert [last for _, _, last in watched] == [False, False, True]


def test_random_operations_of_tensorflow_are_found(trainer_factory: TrainerFactory) -> None:
    """A layer that draws with tf.random is repeatable, and is reported as not continuing exactly."""
    job, rows = job_of(drawing(DrawsInTensorFlow)), rows_of_six()
    first: Any = TrainerFactory(job, rows).learner({}, seed=SEED)
    trainer_factory.learner({}, seed=1).run_epoch()
    second: Any = TrainerFactory(job, rows).learner({}, seed=SEED)

    assert "RandomStandardNormal" in first.inexact
    assert first.run_epoch().metrics == second.run_epoch().metrics


@pytest.mark.long
def test_a_reason_against_exact_continuation_is_left_to_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    """Trials know their reason before an epoch and print nothing: the session reads it in reports, and says it once."""
    trainer_factory = TrainerFactory(job_of(drawing(DrawsInTensorFlow)), rows_of_six())
    first, second = (trainer_factory.learner({}, seed=seed) for seed in (SEED, 1))
    assert "tf.random" in first.inexact
    assert second.inexact == first.inexact
    assert not capsys.readouterr().out


def test_exploit_keeps_only_the_own_numbers(trainer_factory: TrainerFactory) -> None:
    """An exploit copies weights and slots, and keeps the learning rate and dropout of its own config."""
    donor = trainer_factory.learner({"lr": 0.01, "dropout": 0.1}, seed=SEED)
    donor.run_epoch()
    state = donor.save()
    receiver: Any = trainer_factory.learner({"lr": 0.2, "dropout": 0.4}, seed=SEED)

    receiver.load(state, exploit=True)

    assert receiver.model_epoch == 1
    taken = receiver.save()
    rate = [v["path"] for v in taken.header["variables"]].index("adam/learning_rate")
    for position, (ours, theirs) in enumerate(zip(taken.arrays, state.arrays, strict=True)):
        assert np.array_equal(ours, theirs) == (position != rate)
    assert receiver.run_epoch().learning_rate == np.float32(0.2)
    assert float(receiver.model.layers[2].rate) == 0.4


@pytest.mark.parametrize("way", ["compiled", pytest.param("fit", marks=pytest.mark.long)])
def test_exploit_keeps_the_learning_rate_of_each_optimizer(way: str) -> None:
    """An exploit of a GAN copies the slots of both optimisers, and keeps the learning rates of its own config."""
    job = job_of(OWN_STEPS["GAN, two optimisers"], objectives=[Objective("g_loss", "min")])
    factory = TrainerFactory(job, images(), memory=1.0 if way == "fit" else None)
    donor = factory.learner({"lr": 0.01}, seed=SEED)
    donor.run_epoch()
    receiver: Any = factory.learner({"lr": 0.2}, seed=SEED)

    receiver.load(donor.save(), exploit=True)

    both = (receiver.model.d_optimizer, receiver.model.g_optimizer)
    assert [float(each.learning_rate) for each in both] == [np.float32(0.2)] * 2
    assert [int(each.iterations) for each in both] == [int(receiver.steps)] * 2


def test_resume_takes_the_learning_rate_as_it_was() -> None:
    """A learning rate that a callback has changed is part of the saved state."""
    job = job_of(full, callbacks=lambda _: [callbacks.LearningRateScheduler(lambda _, rate: rate / 2)])
    learner = TrainerFactory(job, rows_of_six()).learner({"lr": 0.2}, seed=SEED)
    learner.run_epoch()
    state = learner.save()
    again = TrainerFactory(job, rows_of_six()).learner({"lr": 0.2}, seed=SEED)
    again.load(state)
    assert again.run_epoch().learning_rate == learner.run_epoch().learning_rate == np.float32(0.05)


def test_saving_copies(trainer_factory: TrainerFactory) -> None:
    """A saved state does not change when training continues."""
    learner = trainer_factory.learner({}, seed=SEED)
    learner.run_epoch()
    state = learner.save()
    before = [np.array(array) for array in state.arrays]
    learner.run_epoch()
    assert all(np.array_equal(a, b) for a, b in zip(state.arrays, before, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(learner.save().arrays, before, strict=True))


def test_saving_after_loading_gives_the_same(trainer_factory: TrainerFactory) -> None:
    """Saving a loaded trial before it trains gives the loaded state, callbacks included."""
    learner = trainer_factory.learner({}, seed=SEED)
    learner.run_epoch()
    state = learner.save()
    again = trainer_factory.learner({}, seed=SEED)
    again.load(state)
    assert again.save().header == state.header
    assert all(np.array_equal(a, b) for a, b in zip(again.save().arrays, state.arrays, strict=True))


def test_names_may_be_new_for_each_model() -> None:
    """A trial continues if its model function numbers or dates its names, and two layers are not confused."""
    ids = iter(["1", "2026-11-27", "9d3f8a52-5d0e-4c4b-9a55-0b1f5b6f2c11"])

    def build(config: Mapping[str, Any]) -> keras.Model:
        number = next(ids)
        inner = [layers.Dense(6, name=f"{config['first']}_{number}"), layers.Dense(6, name="other")]
        model = keras.Sequential([keras.Input((6,)), *inner, layers.Dense(3, "softmax")], name=f"m{number}")
        model.compile("adam", "sparse_categorical_crossentropy")
        return model

    trainer_factory = TrainerFactory(job_of(build), rows_of_six())
    learner: Any = trainer_factory.learner({"first": "a"}, seed=SEED)
    learner.run_epoch()
    again: Any = trainer_factory.learner({"first": "a"}, seed=SEED)
    again.load(learner.save())
    assert again.run_epoch().metrics == learner.run_epoch().metrics
    with pytest.raises(ModelError, match=r"m1/a_1/kernel .* was saved where .*/b_9d3f8a52"):
        trainer_factory.learner({"first": "b"}, seed=SEED).load(learner.save(), exploit=True)


@pytest.mark.parametrize(
    ("name", "fields"),
    [("dense, another width", {"width": 5}), ("another optimiser", {"optimizer": "rmsprop"})],
)
def test_state_of_another_architecture_is_refused(name: str, fields: dict[str, Any]) -> None:
    """A state of another architecture is refused with what was saved, what is needed and a remedy."""

    def build(config: Mapping[str, Any]) -> keras.Model:
        model = keras.Sequential([keras.Input((6,)), layers.Dense(config.get("width", 4)), layers.Dense(3, "softmax")])
        model.compile(config.get("optimizer", "sgd"), "sparse_categorical_crossentropy")
        return model

    trainer_factory = TrainerFactory(job_of(build), rows_of_six())
    state = trainer_factory.learner({}, seed=SEED).save()
    other = trainer_factory.learner(fields, seed=SEED)
    before = other.save()
    with pytest.raises(ModelError, match=r"another architecture: .* needed.*--set space.NAME=VALUE"):
        other.load(state, exploit=True)
    assert all(np.array_equal(a, b) for a, b in zip(other.save().arrays, before.arrays, strict=True))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("conv2d_12/kernel", "conv2d_#/kernel"),
        ("max_pooling1d/scale", "max_pooling1d/scale"),
        ("dense12/bias", "dense#/bias"),
        ("m2026-11-27/kernel", "m#/kernel"),
    ],
)
def test_numbers_of_names_are_left_out_but_those_of_kinds(path: str, expected: str) -> None:
    """A path without numbers has no numbers and dates of names, but the numbers of kinds of layers such as conv2d."""
    assert without_numbers(path) == expected
