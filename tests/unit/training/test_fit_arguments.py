"""Arguments of fit: every way of training gives the same results as Keras' fit with these arguments."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.datasets import Dataset, Split
from pipeline.errors import DataError, ModelError
from pipeline.study import Fit, Objective, Resources, TuneJob
from pipeline.training.arrays import as_batch, order_of
from pipeline.training.compiled_trainer import CompiledTrainer
from pipeline.training.data import load_data
from pipeline.training.fit_arguments import class_weights_of, fit_arguments
from pipeline.training.internals import ordered_sums
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.model_kinds import dense as three_classes, rows_of_six, two_targets, weighted
from tests.unit.training.programs.rows import dense, generated, mixed, py_dataset, shuffled
from tests.unit.training.reference_training import job_of, weights_of

SEED = 3


def balance(config: Mapping[str, Any]) -> dict[int, float]:
    """Class weights of a config."""
    return {0: config["x"], 2: 3.0}


def wrong(config: Mapping[str, Any]) -> int:
    """An invalid number of steps."""
    return -1


def repeated() -> Dataset:
    """Endless training rows and endless validation rows."""
    data = shuffled()
    return Dataset("endless", data.train.repeat(), data.validation.repeat())


def repeated_without_limit() -> Dataset:
    """Endless training rows only."""
    return Dataset("endless", repeated().train, shuffled().validation)


def inputs_alone() -> Dataset:
    """A pipeline without targets."""
    return Dataset("inputs", tf.data.Dataset.from_tensor_slices((np.zeros((4, 6)),)).batch(2), shuffled().validation)


def endless() -> Iterator[Any]:
    """Endless batches of a generator."""
    while True:
        yield from generated()


def endless_generator() -> Dataset:
    """An endless generator function, with arrays for validation."""
    return Dataset("endless", endless, Split(*next(generated())))


def _learner(job: TuneJob, data: Dataset | None = None, **options: Any) -> Any:
    return TrainerFactory(job, data, **options).learner({"x": 0.5}, seed=SEED)


def _epochs(learner: Any, epochs: int) -> list[dict[str, float]]:
    return [dict(learner.run_epoch().metrics) for _ in range(epochs)]


def _plain_fit(job: TuneJob, data: Dataset, epochs: int, **arguments: Any) -> tuple[dict[str, Any], list[np.ndarray]]:
    """One call of fit on arrays in the order of the first epoch."""
    model = TrainerFactory(job, data).build({}, seed=SEED)
    order = order_of(data.train.rows, SEED, 0) if job.fit.shuffle else np.arange(data.train.rows)
    x, y = (array[order] for array in as_batch(data.train))
    with ordered_sums():
        reported = model.fit(
            x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0,
            validation_data=as_batch(data.validation), **arguments,
        )  # fmt: skip
    return reported.history, weights_of(model)


@pytest.mark.parametrize("memory", [None, 100.0], ids=["compiled", "one batch at a time"])
def test_arrays_equal_fit_within_a_pass(memory: float | None) -> None:
    """Class weights and steps of epochs and validations give the results of fit, compiled and through fit."""
    fit = Fit(class_weight=balance, steps_per_epoch=3, validation_steps=2)
    job, data = job_of(three_classes, fit=fit), rows_of_six()
    history, weights = _plain_fit(
        job, data, 2, class_weight={0: 0.5, 2: 3.0}, steps_per_epoch=3, validation_steps=2
    )  # 6 batches of 8 rows are two epochs
    learner = _learner(job, data, memory=memory)
    assert isinstance(learner, CompiledTrainer) == (memory is None)
    epochs = _epochs(learner, 2)
    learner.close()
    for epoch, metrics in enumerate(epochs):
        assert metrics == pytest.approx({name: values[epoch] for name, values in history.items()}, rel=1e-6)
    for ours, theirs in zip(weights_of(learner.model), weights, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="compiled"),
        pytest.param({"resources": Resources(strategy="mirrored")}, id="fit", marks=pytest.mark.long),
    ],
)
def test_arrays_continue_where_an_epoch_ended(fields: dict[str, Any]) -> None:
    """Epochs of part of a pass read every row once in a pass, and a resumed trial continues at the same row."""
    job, data = job_of(three_classes, fit=Fit(steps_per_epoch=4, validation_freq=2), **fields), rows_of_six()
    whole = _learner(job, data)
    expected = _epochs(whole, 4)
    assert [("val_loss" in metrics) for metrics in expected] == [False, True, False, True]
    # A pass has 6 batches: epochs of 4, 2, 4 and 2.
    assert int(whole.model.optimizer.iterations.numpy()) == 12
    first = _learner(job, data)
    _epochs(first, 1)
    second = _learner(job, data)
    second.load(first.save())
    assert _epochs(second, 3) == expected[1:]


@pytest.mark.parametrize("memory", [None, 1.0], ids=["compiled", "fit"])
def test_rows_keep_their_order_without_shuffle(memory: float | None) -> None:
    """With shuffle=False, every epoch takes the rows in their order, as in fit."""
    job, data = job_of(three_classes, fit=Fit(shuffle=False)), rows_of_six()
    history, weights = _plain_fit(job, data, 2)
    learner = _learner(job, data, memory=memory)
    epochs = _epochs(learner, 2)
    learner.close()
    assert [metrics["loss"] for metrics in epochs] == pytest.approx(history["loss"], rel=1e-6)
    for ours, theirs in zip(weights_of(learner.model), weights, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("made", [py_dataset, mixed], ids=["PyDataset", "arrays beside a pipeline"])
def test_pipelines_keep_their_order_without_shuffle(made: Any) -> None:
    """With shuffle=False, a PyDataset and arrays in addition to a pipeline are read in their order."""
    job = job_of(dense, data=made, fit=Fit(shuffle=False))
    model, loaded = TrainerFactory(job, None).build({}, seed=SEED), load_data(job)
    assert loaded is not None
    arrays = isinstance(loaded.train, Split)
    train = (loaded.train.x, loaded.train.y) if arrays else (loaded.train,)
    size = {"batch_size": job.batch_size} if arrays else {}
    with ordered_sums():
        reported = model.fit(*train, **size, epochs=2, shuffle=False, verbose=0)
    assert [metrics["loss"] for metrics in _epochs(_learner(job), 2)] == reported.history["loss"]


def test_validation_that_is_not_due_can_be_asked_for() -> None:
    """`validate` returns the metrics that an epoch omitted, and changes nothing."""
    job, data = job_of(three_classes, fit=Fit(validation_freq=3)), rows_of_six()
    every, learner = _learner(job_of(three_classes), data), _learner(job, data)
    expected, validated = _epochs(every, 2), []
    for _ in range(2):
        result = learner.run_epoch()
        assert not result.validated
        validated.append({**result.metrics, **learner.validate()})
    assert validated == expected


@pytest.mark.parametrize(
    ("data", "fit"),
    [
        pytest.param(
            shuffled,
            Fit(class_weight={1: 3.0}, validation_freq=[2, 3]),
            id="class weights",
            marks=pytest.mark.long,
        ),
        pytest.param(shuffled, Fit(steps_per_epoch=4, validation_steps=2), id="finite", marks=pytest.mark.long),
        pytest.param(repeated, Fit(steps_per_epoch=4, validation_steps=3, class_weight={1: 3.0}), id="endless"),
    ],
)
def test_pipelines_equal_fit_and_resume(data: Any, fit: Fit) -> None:
    """Pipelines, also endless ones, give the results of one call of fit, with and without a resume."""
    epochs, job = 4, job_of(dense, data=data, fit=fit)
    model, loaded = TrainerFactory(job, None).build({}, seed=SEED), load_data(job)
    assert loaded is not None
    arguments: dict[str, Any] = dict(fit.given)
    if "validation_freq" in arguments:
        arguments["validation_freq"] = list(arguments["validation_freq"])
    with ordered_sums():
        reported = model.fit(loaded.train, validation_data=loaded.validation, epochs=epochs, verbose=0, **arguments)
    learner = _learner(job)
    metrics_by_epoch = _epochs(learner, epochs)
    assert [metrics["loss"] for metrics in metrics_by_epoch] == reported.history["loss"]
    assert [metrics["val_loss"] for metrics in metrics_by_epoch if "val_loss" in metrics] == reported.history[
        "val_loss"
    ]
    assert all(np.array_equal(a, b) for a, b in zip(weights_of(model), weights_of(learner.model), strict=True))
    first = _learner(job)
    _epochs(first, 2)
    second = _learner(job)
    second.load(first.save())
    assert _epochs(second, 2) == metrics_by_epoch[2:]


def test_a_generator_without_an_end_trains() -> None:
    """An endless generator function trains epochs of as many steps as the job specifies."""
    learner = _learner(job_of(dense, data=endless_generator, fit=Fit(steps_per_epoch=3)))
    epochs = _epochs(learner, 2)
    assert all(np.isfinite(metrics["val_loss"]) for metrics in epochs)
    assert int(learner.model.optimizer.iterations.numpy()) == 6


def test_class_weights_are_those_of_keras() -> None:
    """Class numbers, one-hot rows and rows of places get the same class weights as in fit."""
    numbers = np.array([0, 2, 1, 2])
    expected = [0.5, 3.0, 1.0, 3.0]
    assert class_weights_of(numbers, {0: 0.5, 2: 3.0}).tolist() == expected
    assert class_weights_of(numbers[:, None], {0: 0.5, 2: 3.0}).tolist() == expected
    assert class_weights_of(np.eye(3)[numbers], {0: 0.5, 2: 3.0}).tolist() == expected
    assert class_weights_of(np.eye(3)[numbers][None], {0: 0.5, 2: 3.0}).tolist() == [expected]


def test_a_function_that_returns_nonsense_is_named() -> None:
    """An invalid result of a function is reported with the field, function, value, config and allowed values."""
    with pytest.raises(
        ModelError, match=r"fit\.steps_per_epoch: wrong\(config\) returned -1, for \{'x': 1\}.*at least 1"
    ):
        fit_arguments(job_of(dense, fit=Fit(steps_per_epoch=wrong)), {"x": 1})


@pytest.mark.parametrize(
    ("data", "fit", "why"),
    [
        (repeated_without_limit, Fit(), r"train split .* is endless.*fit=Fit\(steps_per_epoch=…\)"),
        (repeated, Fit(steps_per_epoch=2), r"validation split .* is endless.*fit=Fit\(validation_steps=…\)"),
        (weighted, Fit(class_weight={0: 1.0}), "has weights"),
        (inputs_alone, Fit(class_weight={0: 1.0}), "no targets"),
        (two_targets, Fit(class_weight={0: 1.0}), "several targets"),
    ],
)
def test_data_that_do_not_fit_are_refused_before_training(data: Any, fit: Fit, why: str) -> None:
    """Endless pipelines without a number of steps, and class weights with row weights, are refused by name."""
    job = job_of(dense, data=data, fit=fit, objectives=[Objective("val_loss", "min")])
    with pytest.raises(DataError, match=why):
        load_data(job)
