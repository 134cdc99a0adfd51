"""Training through Keras' fit: the same batches and results, and one message about it."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from pipeline.datasets import Dataset, Split
from pipeline.study import Resources
from pipeline.training.compiled_trainer import CompiledTrainer
from pipeline.training.fit_trainer import FitTrainer
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.model_kinds import averaged, dense, rows_of_six, weighted
from tests.unit.training.programs.texts import reading, text_arrays
from tests.unit.training.reference_training import job_of, weights_of

EPOCHS, SEED = 2, 3


def eager(config: Mapping[str, Any]) -> keras.Model:
    """The dense network, in eager mode."""
    model = dense(config)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), model.loss, metrics=["accuracy"], run_eagerly=True)
    return model


class OwnFunction(keras.Model):
    """A model with its own training function."""

    def make_train_function(self, force: bool = False) -> Any:
        """Creates the training function as Keras does."""
        return super().make_train_function(force)


def own_function(config: Mapping[str, Any]) -> keras.Model:
    """A model with its own training function."""
    x = keras.Input((6,))
    model = OwnFunction(x, layers.Dense(3, activation="softmax")(x))
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def own_strategy(config: Mapping[str, Any]) -> keras.Model:
    """A model that its function builds in the scope of a strategy."""
    with tf.distribute.MirroredStrategy().scope():
        return averaged(config)


def trained(learner: Any) -> tuple[list[Mapping[str, float]], list[np.ndarray]]:
    """The metrics of some epochs, and the weights after training is over."""
    metrics = [learner.run_epoch().metrics for _ in range(EPOCHS)]
    learner.close()
    return metrics, weights_of(learner.model)


def same(a: Any, b: Any) -> bool:
    """Whether metrics and weights are equal to the last digit."""
    return a[0] == b[0] and all(np.array_equal(x, y) for x, y in zip(a[1], b[1], strict=True))


@pytest.mark.parametrize(
    ("build", "fields", "memory", "why"),
    [
        pytest.param(eager, {}, None, "run_eagerly", id="run eagerly"),
        pytest.param(own_function, {}, None, "make_train_function", id="its own function"),
        pytest.param(dense, {}, 100.0, "too large", id="data too large"),
        pytest.param(dense, {"resources": Resources(strategy="mirrored")}, None, "mirrored", id="mirrored"),
        pytest.param(own_strategy, {}, None, "in the scope of a tf.distribute strategy", id="its own strategy"),
    ],
)
def test_uses_fit_and_reports_why_once(
    build: Any, fields: dict[str, Any], memory: float | None, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that cannot be one compiled function uses fit, and the reason is printed once for all trials."""
    trainer_factory = TrainerFactory(job_of(build, **fields), rows_of_six(), memory=memory)
    learners = [trainer_factory.learner({}, seed=seed) for seed in (1, 2)]
    assert all(isinstance(learner, FitTrainer) for learner in learners)
    assert all(learner.trained_with.startswith("Keras' fit: ") and why in learner.trained_with for learner in learners)
    reported = [line for line in capsys.readouterr().out.splitlines() if "Keras' fit" in line]
    assert len(reported) == 1
    assert why in reported[0]


def test_texts_train_eagerly() -> None:
    """A model that runs eagerly trains and validates on arrays of text."""

    def build(config: Mapping[str, Any]) -> keras.Model:
        model = reading(config)
        model.compile("adam", "binary_crossentropy", run_eagerly=True)
        return model

    learner = TrainerFactory(job_of(build), text_arrays()).learner({}, seed=SEED)
    assert isinstance(learner, FitTrainer)
    assert {"loss", "val_loss"} <= set(learner.run_epoch().metrics)


@pytest.mark.parametrize(
    ("build", "fields", "memory"),
    [
        pytest.param(averaged, {}, 100.0, id="one batch at a time"),
        pytest.param(averaged, {"resources": Resources(strategy="mirrored")}, None, id="mirrored over one device"),
        pytest.param(own_strategy, {}, None, id="its own strategy"),
    ],
)
def test_equals_the_compiled_epoch(build: Any, fields: dict[str, Any], memory: float | None) -> None:
    """Training through fit gives the weights of the compiled epoch, and swaps averaged weights once, at the end."""
    compiled: Any = TrainerFactory(job_of(averaged), weighted()).learner({}, seed=SEED)
    fit: Any = TrainerFactory(job_of(build, **fields), weighted(), memory=memory).learner({}, seed=SEED)
    assert isinstance(compiled, CompiledTrainer)
    assert compiled.trained_with == "compiled epochs"
    assert same(trained(fit), trained(compiled))


def test_eager_training_comes_close_to_the_compiled_epoch() -> None:
    """Eager training equals the compiled epoch except for the rounding of single operations."""
    compiled: Any = TrainerFactory(job_of(dense), rows_of_six()).learner({}, seed=SEED)
    fit: Any = TrainerFactory(job_of(eager), rows_of_six()).learner({}, seed=SEED)
    expected, measured = trained(compiled), trained(fit)
    for ours, theirs in zip(measured[0], expected[0], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)


@pytest.mark.parametrize(
    ("build", "fields"),
    [
        pytest.param(averaged, {}, id="stream"),
        pytest.param(averaged, {"resources": Resources(strategy="mirrored")}, id="mirrored", marks=pytest.mark.long),
        pytest.param(own_strategy, {}, id="its own strategy"),
    ],
)
def test_continues_exactly(build: Any, fields: dict[str, Any]) -> None:
    """A state saved under fit continues exactly, under fit or compiled."""
    memory = None if fields or build is own_strategy else 100.0
    job, data = job_of(build, **fields), rows_of_six()
    first: Any = TrainerFactory(job, data, memory=memory).learner({}, seed=SEED)
    first.run_epoch()
    state = first.save()
    expected = first.run_epoch().metrics

    second: Any = TrainerFactory(job, data, memory=memory).learner({}, seed=SEED)
    second.load(state)
    third: Any = TrainerFactory(job_of(averaged), data).learner({}, seed=SEED)
    third.load(state)

    assert second.run_epoch().metrics == expected
    assert third.run_epoch().metrics == expected
    assert second.model_epoch == third.model_epoch == 2


def test_callbacks_see_one_training() -> None:
    """Callbacks get one on_train_begin and one on_train_end over all calls of fit, and stopping ends the training."""
    reported: list[str] = []

    def callbacks(config: Mapping[str, Any]) -> list[keras.callbacks.Callback]:
        class Recorder(keras.callbacks.Callback):
            def on_train_begin(self, logs: Any = None) -> None:
                reported.append("begin")

            def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
                reported.append(f"epoch {epoch} {sorted(logs)}")
                logs["own"] = 7.0
                self.model.stop_training = epoch == 1

            def on_train_end(self, logs: Any = None) -> None:
                reported.append("end")

        return [Recorder()]

    learner = TrainerFactory(job_of(dense, callbacks=callbacks), rows_of_six(), memory=100.0).learner({}, seed=SEED)
    results = [learner.run_epoch(), learner.run_epoch()]
    learner.close()
    learner.close()

    names = "['accuracy', 'loss', 'val_accuracy', 'val_loss']"
    assert reported == ["begin", f"epoch 0 {names}", f"epoch 1 {names}", "end"]
    assert [result.last for result in results] == [False, True]
    assert results[1].metrics["own"] == 7.0
    assert all(result.seconds_train > 0 < result.seconds_evaluate for result in results)


def test_nothing_is_copied_into_the_process() -> None:
    """Data too large for memory are not copied into the process, even those of a precision that fit converts."""
    data = rows_of_six()
    doubled = Dataset("t", *(Split(split.x.astype(np.float64), split.y) for split in (data.train, data.validation)))
    learner: Any = TrainerFactory(job_of(dense), doubled, memory=100.0).learner({}, seed=SEED)
    assert learner.train_data[0] is doubled.train.x
    compiled: Any = TrainerFactory(job_of(dense), data).learner({}, seed=SEED)
    assert same(trained(learner), trained(compiled))
