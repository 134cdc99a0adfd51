"""Trials on pipelines: equal to one call of Keras' fit, and exact after a resume if that is promised."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.datasets import GENERATOR, Dataset, Split, batches_of, kind_of
from pipeline.study import Objective, TuneJob
from pipeline.training.arrays import as_batch
from pipeline.training.build import build_callbacks
from pipeline.training.data import load_data
from pipeline.training.generators import seed_generators
from pipeline.training.internals import ordered_sums
from pipeline.training.pipeline_stages import kept, pipeline_variables
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.programs.catalogue import EXAMPLES, PROGRAMS
from tests.unit.training.programs.program import Program
from tests.unit.training.programs.rows import mixed
from tests.unit.training.reference_training import job_of, weights_of

EPOCHS, SEED = 4, 3

_ALL = {**PROGRAMS, **EXAMPLES}
_LIGHT = {"shuffled rows", "augmented images"}
"""Programs that every run tests; the others take minutes together."""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets callbacks write into a temporary current folder."""
    monkeypatch.chdir(tmp_path)


def _programs(*, inexact: bool | None = None) -> list[Any]:
    names = [name for name, program in _ALL.items() if inexact is None or bool(program.inexact) == inexact]
    return [pytest.param(name, marks=[] if name in _LIGHT else pytest.mark.long) for name in names]


def _job(program: Program, **fields: Any) -> TuneJob:
    given = {"space": dict(program.config) or {"x": 1}, **program.fields, **fields}
    return job_of(program.model, data=program.data, objectives=[Objective(program.objective, "min")], **given)


def _plain_fit(job: TuneJob) -> tuple[dict[str, list[float]], list[np.ndarray]]:
    """One call of Keras' fit for all epochs, from the same seeds: the history by metric, and the weights."""
    model = TrainerFactory(job, None).build(job.space, seed=SEED)
    data = load_data(job)
    assert data is not None
    train, validation = data.train, data.validation
    if kind_of(train) == GENERATOR:
        spec = next(train())
        signature = tuple(tf.TensorSpec([None, *array.shape[1:]], array.dtype) for array in spec)
        train = tf.data.Dataset.from_generator(train, output_signature=signature)
    if batches_of(train) is None:
        # With one step for each call, fit begins a step after the last batch, which fails, but counts in the optimiser.
        model.steps_per_execution = 16
    seeds = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, _logs: seed_generators(SEED, f"epoch {epoch}"))
    with ordered_sums():
        reported = model.fit(
            train,
            validation_data=as_batch(validation) if isinstance(validation, Split) else validation,
            validation_batch_size=job.batch_size if isinstance(validation, Split) else None,
            epochs=EPOCHS,
            callbacks=[seeds, *build_callbacks(job, job.space, seed=SEED)],
            verbose=0,
            class_weight=job.fit.class_weight,
        )
    return reported.history, weights_of(model)


def _trained(job: TuneJob, epochs: int = EPOCHS) -> tuple[Any, list[Any]]:
    learner = TrainerFactory(job, None).learner(job.space, seed=SEED)
    return learner, [dict(learner.run_epoch().metrics) for _ in range(epochs)]


@pytest.mark.parametrize(
    "name", [each for each in _programs() if "parallel" not in _ALL[each.values[0]].inexact + each.values[0]]
)
def test_a_trial_equals_one_call_of_fit(name: str) -> None:
    """Metrics and last weights of a trial equal those of one call of fit on the same pipeline."""
    job = _job(_ALL[name], batch_size=32)
    history, weights = _plain_fit(job)
    learner, metrics = _trained(job)
    assert learner.trained_with.startswith("Keras' fit: ")
    learner.close()
    # ReduceLROnPlateau puts the learning rate into the history, which has a separate column.
    history.pop("learning_rate", None)
    assert metrics == [{key: values[epoch] for key, values in history.items()} for epoch in range(EPOCHS)]
    assert all(np.array_equal(a, b) for a, b in zip(weights, weights_of(learner.model), strict=True))


@pytest.mark.parametrize("name", _programs(inexact=False))
def test_a_resumed_trial_continues_exactly(name: str) -> None:
    """A trial that is resumed in another trainer has the epochs of an uninterrupted one."""
    job = _job(_ALL[name])
    factory = TrainerFactory(job, None)
    whole = factory.learner(job.space, seed=SEED)
    expected = [dict(whole.run_epoch().metrics) for _ in range(EPOCHS)]
    first, _ = _trained(job, 2)
    second = factory.learner(job.space, seed=SEED)
    second.load(first.save())
    assert [dict(second.run_epoch().metrics) for _ in range(EPOCHS - 2)] == expected[2:]
    assert all(np.array_equal(a, b) for a, b in zip(weights_of(whole.model), weights_of(second.model), strict=True))


@pytest.mark.parametrize("name", sorted(name for name, program in _ALL.items() if program.inexact))
def test_pipelines_that_cannot_resume_exactly_are_reported_only_to_the_driver(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipeline with a state that cannot be saved is the learner's reason, which only the driver prints."""
    job = _job(_ALL[name])
    factory = TrainerFactory(job, None)
    learner = factory.learner(job.space, seed=SEED)
    assert _ALL[name].inexact in (learner.inexact or "")
    assert "uninterrupted" not in capsys.readouterr().out


def test_two_trials_of_a_process_are_equal() -> None:
    """A trial's batches do not depend on the trials before it in the same process."""
    job = _job(PROGRAMS["augmented images"])
    factory = TrainerFactory(job, None)
    metrics = []
    for _ in range(2):
        learner = factory.learner(job.space, seed=SEED)
        metrics.append([dict(learner.run_epoch().metrics) for _ in range(2)])
        learner.close()
    assert metrics[0] == metrics[1]


def test_trials_are_equal_where_slow_work_is_cached() -> None:
    """A data function that shuffles for what it caches gives the same order before and after it is cached."""

    @cache
    def scale() -> Any:
        rows = PROGRAMS["shuffled rows"].data().train.map(lambda x, _: x)
        normalization = keras.layers.Normalization()
        normalization.adapt(rows)
        return normalization

    def data(config: Any) -> Any:
        made, normalization = PROGRAMS["shuffled rows"].data(), scale()
        return replace(made, train=made.train.map(lambda x, y: (normalization(x) * config["x"], y)))

    job = job_of(PROGRAMS["shuffled rows"].model, data=data)
    found = []
    for _ in range(2):
        factory = TrainerFactory(job, None)
        for _ in range(2):
            learner = factory.learner({"x": 1.0}, seed=SEED)
            found.append([dict(learner.run_epoch().metrics) for _ in range(2)])
            learner.close()
    assert found[0] == found[1] == found[2] == found[3]


def test_a_pipelines_layers_resume_whatever_was_built_before() -> None:
    """The variables of a pipeline's layers are the same after other models were built in the process."""
    job = _job(PROGRAMS["augmented images"])
    _, expected = _trained(job, 3)
    first, _ = _trained(job, 1)
    assert [each.name for each in pipeline_variables(load_data(job))] == [
        "seed_generator/seed_generator_state:0",
        "seed_generator_1/seed_generator_state:0",
    ]
    factory = TrainerFactory(job, None)
    keras.Sequential([keras.layers.RandomFlip(), keras.layers.RandomFlip()])
    factory.learner(job.space, seed=9).close()
    second = factory.learner(job.space, seed=SEED)
    second.load(first.save())
    assert [dict(second.run_epoch().metrics) for _ in range(2)] == expected[1:]


class _Noise(keras.layers.Layer):
    """Draws with tf.random, whose seed is that of the process."""

    def call(self, x: Any) -> Any:
        return x + tf.random.normal(tf.shape(x))


def _noisy(config: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), _Noise(), keras.layers.Dense(1, "sigmoid")])
    model.compile("sgd", "binary_crossentropy")
    return model


def test_draws_with_tensorflow_are_known_after_an_epoch() -> None:
    """A model on a pipeline whose own layer draws with tf.random is reported as inexact once it has trained."""
    learner, _ = _trained(job_of(_noisy, data=PROGRAMS["shuffled rows"].data), 1)
    assert "its own code draws with tf.random (RandomStandardNormal)" in learner.inexact
    learner, _ = _trained(_job(PROGRAMS["VAE"]), 1)


def test_a_trial_that_draws_with_tensorflow_does_not_depend_on_others() -> None:
    """A trial with tf.random has the same results alone, after another trial, and on data of the driver."""
    job = job_of(_noisy, data=PROGRAMS["shuffled rows"].data)
    metrics = []
    for data, before in ((None, ()), (None, (7,)), (load_data(job), ())):
        factory = TrainerFactory(job, data)
        for seed in (*before, SEED):
            learner = factory.learner({}, seed=seed)
            found = [dict(learner.run_epoch().metrics) for _ in range(2)]
            learner.close()
        metrics.append(found)
    assert metrics[0] == metrics[1] == metrics[2]


def test_arrays_train_beside_a_pipeline() -> None:
    """Arrays and pipelines can be mixed in one data set, and resume exactly."""
    job = job_of(PROGRAMS["shuffled rows"].model, data=mixed)
    _, expected = _trained(job)
    first, _ = _trained(job, 2)
    second = TrainerFactory(job, None).learner(job.space, seed=SEED)
    second.load(first.save())
    assert [dict(second.run_epoch().metrics) for _ in range(EPOCHS - 2)] == expected[2:]


def test_the_order_of_arrays_beside_a_pipeline_does_not_depend_on_others() -> None:
    """A trial on arrays beside a pipeline has the same results alone and after another trial of the process."""
    job = job_of(PROGRAMS["shuffled rows"].model, data=mixed)
    alone = _trained(job, 2)[1]
    factory = TrainerFactory(job, None)
    factory.learner(job.space, seed=7).close()
    after: Any = factory.learner(job.space, seed=SEED)
    assert [dict(after.run_epoch().metrics) for _ in range(2)] == alone


def test_a_state_of_an_earlier_epoch_rewinds_the_pipeline() -> None:
    """A trainer that has read on returns to the position of the saved state of an earlier epoch."""
    learner, expected = _trained(_job(PROGRAMS["shuffled rows"]), 1)
    state = learner.save()
    expected = [dict(learner.run_epoch().metrics) for _ in range(2)]
    learner.load(state)
    assert [dict(learner.run_epoch().metrics) for _ in range(2)] == expected


def test_validation_batches_are_made_once() -> None:
    """Validation data that are the same in each epoch are read once in a trial, and its metrics stay the same."""
    job = _job(PROGRAMS["shuffled rows"])
    made = []

    def counted() -> Dataset:
        data = PROGRAMS["shuffled rows"].data()
        validation = data.validation

        def batches() -> Iterator[Any]:
            for batch in validation:
                made.append(1)
                yield batch

        rows = tf.data.Dataset.from_generator(batches, output_signature=validation.element_spec)
        return replace(data, validation=kept(rows))

    _, metrics = _trained(job.replaced({"data": counted}))
    assert metrics == _trained(job)[1]
    assert len(made) == batches_of(PROGRAMS["shuffled rows"].data().validation)
