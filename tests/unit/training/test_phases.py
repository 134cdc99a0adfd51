"""Phases of a training: equal to further calls of fit, and separated in checkpoints, resume, exploits and export."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.datasets import Dataset
from pipeline.errors import ModelError
from pipeline.study import Fit
from pipeline.training.arrays import as_batch
from pipeline.training.build import seed_generators
from pipeline.training.compiled_trainer import CompiledTrainer
from pipeline.training.data import load_data
from pipeline.training.export import rebuilt
from pipeline.training.internals import ordered_sums
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.fine_tuning import AT, fine_tuned, stopping, unfreeze
from tests.unit.training.model_kinds import dense, rows_of_six
from tests.unit.training.reference_training import Rows, job_of, weights_of

EPOCHS, SEED = 4, 3
_LONG = pytest.mark.long


def pipelines() -> Dataset:
    """The rows as pipelines, the training ones shuffled."""
    train, validation = (
        tf.data.Dataset.from_tensor_slices(as_batch(split)) for split in (rows_of_six().train, rows_of_six().validation)
    )
    return Dataset("rows", train.shuffle(44).batch(8), validation.batch(8))


def _data(kind: str) -> Dataset | None:
    return None if kind == "pipeline" else rows_of_six()


def _factory(kind: str, **fields: Any) -> TrainerFactory:
    job = fine_tuned(**{"data": pipelines if kind == "pipeline" else "digits", **fields})
    return TrainerFactory(job, _data(kind), memory=100.0 if kind == "fit" else None)


def _epochs(learner: Any, epochs: int) -> list[dict[str, float]]:
    return [dict(learner.run_epoch().metrics) for _ in range(epochs)]


def _two_fits(kind: str) -> tuple[list[dict[str, float]], list[np.ndarray]]:
    """One call of fit for each phase, from the same seeds."""
    factory = _factory(kind)
    model = factory.build({}, seed=SEED)
    train: Any
    if kind == "pipeline":
        loaded = load_data(factory.job)
        assert loaded is not None
        train, validation = loaded.train, loaded.validation
    else:
        data = rows_of_six()
        train, validation = Rows(as_batch(data.train), data.train.rows, 8, SEED), as_batch(data.validation)
    history: list[dict[str, float]] = []

    def begin(epoch: int, logs: Any) -> None:
        seed_generators(SEED, f"epoch {epoch}")
        train.epoch = epoch

    hook = keras.callbacks.LambdaCallback(on_epoch_begin=begin)
    for first, last in ((0, AT), (AT, EPOCHS)):
        if first:
            seed_generators(SEED, "phase 1")
            unfreeze(model, {})
            factory.adapt(model)
        with ordered_sums():
            reported = model.fit(
                train, validation_data=validation, validation_batch_size=8 if kind != "pipeline" else None,
                initial_epoch=first, epochs=last, shuffle=False, callbacks=[hook], verbose=0,
            )  # fmt: skip
        history += [{name: values[place] for name, values in reported.history.items()} for place in range(last - first)]
    return history, weights_of(model)


@pytest.mark.parametrize("kind", ["compiled", pytest.param("fit", marks=_LONG), "pipeline"])
def test_phases_are_calls_of_fit(kind: str) -> None:
    """Phases give the metrics and weights of two calls of fit, the second on the unfrozen model."""
    expected, weights = _two_fits(kind)
    learner: Any = _factory(kind).learner({}, seed=SEED)
    assert isinstance(learner, CompiledTrainer) == (kind == "compiled")
    results = [learner.run_epoch() for _ in range(EPOCHS)]
    learner.close()
    assert [result.phase for result in results] == [0, 0, 1, 1]
    assert results[0].learning_rate == pytest.approx(0.1)
    assert results[-1].learning_rate == pytest.approx(0.01)
    for ours, theirs in zip(results, expected, strict=True):
        assert dict(ours.metrics) == pytest.approx(theirs, rel=1e-6)
    for a, b in zip(weights_of(learner.model), weights, strict=True):
        assert a == pytest.approx(b, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("kind", ["compiled", pytest.param("fit", marks=_LONG), pytest.param("pipeline", marks=_LONG)])
def test_a_resumed_trial_is_in_its_phase(kind: str) -> None:
    """A trial resumed before, at or after the start of a phase continues exactly with that phase's variables."""
    factory = _factory(kind)
    whole: Any = factory.learner({}, seed=SEED)
    expected, states = [], []
    for _ in range(EPOCHS):
        expected.append(dict(whole.run_epoch().metrics))
        states.append(whole.save())
    assert len(states[0].arrays) < len(states[-1].arrays)
    other = _factory(kind)
    for trained in range(1, EPOCHS):
        resumed: Any = other.learner({}, seed=SEED)
        resumed.load(states[trained - 1])
        assert _epochs(resumed, EPOCHS - trained) == expected[trained:], trained
        for a, b in zip(weights_of(whole.model), weights_of(resumed.model), strict=True):
            assert np.array_equal(a, b)


def test_a_callback_that_stops_ends_the_phase() -> None:
    """EarlyStopping ends the first phase with its best weights, then the trial, even after a resume."""
    factory = _factory("compiled", at=5, callbacks=stopping)
    learner: Any = factory.learner({}, seed=SEED)
    results, states = [], []
    while not results or not results[-1].last:
        results.append(learner.run_epoch())
        states.append(learner.save())
    assert [result.phase for result in results] == [0, 0, 1, 1]
    for trained in (1, 3):
        resumed: Any = factory.learner({}, seed=SEED)
        resumed.load(states[trained - 1])
        assert _epochs(resumed, len(results) - trained) == [dict(result.metrics) for result in results[trained:]]


def test_a_parameter_sets_the_start() -> None:
    """A phase starts after as many epochs as its parameter, and never without the parameter."""
    factory = _factory("compiled", at="x", space={"x": 1})
    learner: Any = factory.learner({"x": 3}, seed=SEED)
    assert [learner.run_epoch().phase for _ in range(4)] == [0, 0, 0, 1]
    without: Any = factory.learner({}, seed=SEED)
    assert [without.run_epoch().phase for _ in range(2)] == [0, 0]


def test_an_exploit_takes_over_the_phase_and_keeps_the_learning_rate() -> None:
    """An exploit takes over weights and phase, and keeps the rate that its own config sets in that phase."""
    factory = _factory("compiled")
    donor: Any = factory.learner({"lr": 0.1}, seed=SEED)
    _epochs(donor, AT + 1)
    receiver: Any = factory.learner({"lr": 0.5}, seed=SEED)
    receiver.load(donor.save(), exploit=True)
    for a, b in zip(weights_of(donor.model), weights_of(receiver.model), strict=True):
        assert np.array_equal(a, b)
    result = receiver.run_epoch()
    assert (result.phase, result.learning_rate) == (1, pytest.approx(0.05))


def test_a_model_is_exported_as_its_phase_left_it() -> None:
    """A checkpoint of the second phase is exported with the variables of that phase."""
    factory = _factory("compiled")
    learner: Any = factory.learner({}, seed=SEED)
    _epochs(learner, AT + 1)
    model = rebuilt(factory, {}, learner.save(), seed=SEED)
    assert len(model.trainable_variables) == 6
    for a, b in zip(weights_of(learner.model), weights_of(model), strict=True):
        assert np.array_equal(a, b)


@_LONG
def test_phases_go_with_arguments_of_fit_and_folds() -> None:
    """Class weights, part epochs and cross-validation work in phases as well."""
    factory = _factory("compiled", folds=2, fit=Fit(class_weight={0: 2.0}, steps_per_epoch=2))
    learner: Any = factory.learner({}, seed=SEED)
    results = [learner.run_epoch() for _ in range(AT + 1)]
    assert [result.phase for result in results] == [0, 0, 1]


def _returns(model: keras.Model, config: Mapping[str, Any]) -> int:
    return 1


def _forgets(model: keras.Model, config: Mapping[str, Any]) -> None:
    model.get_layer("base").trainable = True


def _slower(model: keras.Model, config: Mapping[str, Any]) -> None:
    model.optimizer.learning_rate = 0.001


@pytest.mark.parametrize(
    ("prepare", "why"), [(_returns, "object of type int"), (_forgets, "did not compile the model")]
)
def test_a_function_that_leaves_no_model_to_train_is_named(prepare: Any, why: str) -> None:
    """A `prepare` that leaves no trainable model is reported with its name and mistake."""
    learner: Any = _factory("compiled", prepare=prepare).learner({}, seed=SEED)
    _epochs(learner, AT)
    with pytest.raises(ModelError, match=rf"{prepare.__name__}\(model, config\).*{why}"):
        learner.run_epoch()


def test_a_phase_may_change_only_the_learning_rate() -> None:
    """A phase that changes only the learning rate keeps the optimiser, its state and the compiled model."""
    learner: Any = _factory("compiled", prepare=_slower).learner({}, seed=SEED)
    rates = [learner.run_epoch().learning_rate for _ in range(AT + 1)]
    assert rates == pytest.approx([0.1, 0.1, 0.001])
    assert int(learner.model.optimizer.iterations.numpy()) == 6 * (AT + 1)


class _Compiles(keras.callbacks.Callback):
    def __init__(self, hook: str) -> None:
        super().__init__()
        setattr(self, hook, self._compile)

    def _compile(self, *_: Any) -> None:
        self.model.compile("sgd", "sparse_categorical_crossentropy")


@pytest.mark.parametrize(
    ("hook", "memory"),
    [
        ("on_epoch_end", None),
        ("on_epoch_begin", 100.0),
        pytest.param("on_train_begin", None, marks=_LONG),
        pytest.param("on_train_begin", 100.0, marks=_LONG),
    ],
)
def test_a_callback_that_compiles_is_pointed_to_phases(hook: str, memory: float | None) -> None:
    """A callback that compiles the model, where Keras' fit fails, is named and pointed to phases."""

    def callbacks(config: Mapping[str, Any]) -> list[Any]:
        return [_Compiles(hook)]

    learner: Any = TrainerFactory(job_of(dense, callbacks=callbacks), rows_of_six(), memory=memory).learner(
        {}, seed=SEED
    )
    with pytest.raises(ModelError, match=r"callback compiled the model.*phases=\[Phase"):
        learner.run_epoch()


def test_tensorboard_writes_in_each_phase(tmp_path: Path) -> None:
    """TensorBoard, whose files are closed at the end of a phase, writes the epochs of the next one."""
    log = str(tmp_path)
    learner: Any = _factory("compiled", callbacks=lambda _config: [keras.callbacks.TensorBoard(log)]).learner(
        {}, seed=1
    )
    assert [learner.run_epoch().phase for _ in range(AT + 1)] == [0] * AT + [1]
    learner.close()
    assert len(list((tmp_path / "train").iterdir())) == 2
