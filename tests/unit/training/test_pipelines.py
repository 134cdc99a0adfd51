"""Trials on pipelines: equal to one call of Keras' fit, exact after a resume, and independent of other trials."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from pipeline.datasets import Dataset, Split, batches_of, load
from pipeline.errors import DataError
from pipeline.space import Config
from pipeline.study import Fit, Objective, TuneJob
from pipeline.training.base import FitArguments
from pipeline.training.data import load_data
from pipeline.training.pipeline_reader import in_memory, steps_per_call
from pipeline.training.pipelines import (
    Source,
    as_fit_takes_it,
    example_of,
    kept,
    opened,
    pipeline_variables,
    reading_to_skip,
    reduced,
)
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.programs import PROGRAMS, dense, mixed, shuffled
from tests.unit.training.training import SEED, epochs_of, equals_fit, fitted, job_of, resumes_exactly

OFTEN = {"shuffled rows", "augmented images", "PyDataset with state", "unknown length"}
NAMES = [name if name in OFTEN else pytest.param(name, marks=pytest.mark.long) for name in PROGRAMS]


def job_on(name: str, **fields: Any) -> TuneJob:
    program = PROGRAMS[name]
    objectives = [Objective(program.objective, "min")]
    return job_of(program.model, **{"data": program.data, "objectives": objectives, **fields})


@pytest.mark.parametrize("name", NAMES)
def test_a_trial_equals_one_call_of_fit(name: str) -> None:
    job = job_on(name)
    model = TrainerFactory(job, None).learner({}, seed=SEED)
    assert model.trained_with.startswith("Keras' fit: the train split is a ")  # type: ignore[union-attr]
    reference, history = fitted(job, None, epochs=3)
    equals_fit(model, reference, history, 3)


@pytest.mark.parametrize("name", NAMES)
def test_a_resumed_trial_continues_exactly(name: str) -> None:
    resumes_exactly(TrainerFactory(job_on(name), None), {})


@pytest.mark.parametrize(
    "fit",
    [
        pytest.param(Fit(class_weight={1: 3.0}, validation_freq=[2, 3]), id="class weights"),
        pytest.param(Fit(steps_per_epoch=4, validation_steps=2), id="part of a pass"),
    ],
)
def test_arguments_of_fit_have_its_effects(fit: Fit) -> None:
    job = job_of(dense, data=shuffled, fit=fit)
    arguments: dict[str, Any] = dict(fit.given)
    arguments.update({name: list(value) for name, value in arguments.items() if name == "validation_freq"})
    _, history = fitted(job, None, epochs=4, **arguments)
    found = resumes_exactly(TrainerFactory(job, None), {})
    assert [metrics["loss"] for metrics in found] == history["loss"]
    assert [metrics["val_loss"] for metrics in found if "val_loss" in metrics] == history["val_loss"]


@pytest.mark.parametrize("kind", ["tf.data", "PyDataset", "generator"])
def test_endless_pipelines_train_by_steps(kind: str) -> None:
    class Endless(keras.utils.PyDataset):
        @property
        def num_batches(self) -> None:
            return None

        def __getitem__(self, index: int) -> Any:
            x = np.full((4, 6), index, "float32")
            return x, x[:, 0]

    def batches() -> Iterator[Any]:
        index = 0
        while True:
            yield Endless()[index]
            index += 1

    seen: list[float] = []

    def data() -> Dataset:
        made = {"tf.data": lambda: shuffled().train.repeat(), "PyDataset": Endless, "generator": lambda: batches}
        return Dataset("endless", made[kind](), shuffled().validation)

    learner: Any = TrainerFactory(job_of(dense, data=data, fit=Fit(steps_per_epoch=3)), None).learner({}, seed=SEED)
    seen += [metrics["loss"] for metrics in epochs_of(learner, 2)]
    assert np.isfinite(seen).all()
    assert int(learner.model.optimizer.iterations.numpy()) == 6
    if kind != "tf.data":
        # Epochs continue where the one before ended: the batches grow.
        assert seen[1] != seen[0]


def test_arrays_train_beside_a_pipeline() -> None:
    job = job_of(dense, data=mixed)
    model, history = fitted(job, load_data(job), epochs=2)
    equals_fit(TrainerFactory(job, None).learner({}, seed=SEED), model, history, 2)
    resumes_exactly(TrainerFactory(job, None), {})


def test_a_trial_does_not_depend_on_the_trials_before_it() -> None:
    factory = TrainerFactory(job_on("augmented images"), None)
    found = []
    for seed in (SEED, 9, SEED):
        learner = factory.learner({}, seed=seed)
        found.append(epochs_of(learner, 2))
        learner.close()
    assert found[0] == found[2]


class Noise(keras.layers.Layer):
    """Draws with tf.random, whose seed is that of the process."""

    def call(self, x: Any) -> Any:
        return x + tf.random.normal(tf.shape(x))


def noisy(config: Config) -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), Noise(), keras.layers.Dense(1, "sigmoid")])
    model.compile("sgd", "binary_crossentropy")
    return model


def test_draws_with_tensorflow_do_not_depend_on_the_trials_before() -> None:
    job, found = job_of(noisy, data=shuffled), []
    for data, before in ((None, ()), (None, (7,)), (load_data(job), ())):
        factory = TrainerFactory(job, data)
        for seed in (*before, SEED):
            learner = factory.learner({}, seed=seed)
            metrics = epochs_of(learner, 2)
            learner.close()
        found.append(metrics)
    assert found[0] == found[1] == found[2]


def test_slow_work_that_a_data_function_caches_changes_nothing() -> None:
    @cache
    def scale() -> Any:
        normalization = keras.layers.Normalization()
        normalization.adapt(shuffled().train.map(lambda x, _: x))
        return normalization

    def data(config: Any) -> Any:
        made, normalization = shuffled(), scale()
        return replace(made, train=made.train.map(lambda x, y: (normalization(x) * config["x"], y)))

    found = []
    for _ in range(2):
        learner = TrainerFactory(job_of(dense, data=data), None).learner({"x": 1.0}, seed=SEED)
        found.append(epochs_of(learner, 2))
    assert found[0] == found[1]


def test_the_variables_of_a_pipelines_layers_are_found_in_their_order() -> None:
    names = [each.name for each in pipeline_variables(load_data(job_on("augmented images")))]  # type: ignore[arg-type]
    assert names == ["seed_generator/seed_generator_state:0", "seed_generator_1/seed_generator_state:0"]


NUMBERS = tf.data.Dataset.range(12)


@pytest.mark.parametrize(
    ("pipeline", "reading"),
    [
        (NUMBERS.batch(2), "nothing"),
        (NUMBERS.shuffle(12).batch(2).map(lambda x: x + 1).prefetch(1), "nothing"),
        (NUMBERS.shuffle(12, seed=1, reshuffle_each_iteration=False).repeat(2).batch(2), "nothing"),
        (NUMBERS.shuffle(12).batch(2).shuffle(6), "first"),
        (NUMBERS.shuffle(12).repeat(2).batch(2), "all"),
        (NUMBERS.shuffle(12).concatenate(NUMBERS).batch(2), "all"),
    ],
)
def test_an_epoch_is_skipped_by_reading_as_little_as_possible(pipeline: Any, reading: str) -> None:
    assert reading_to_skip(pipeline) == reading


@pytest.mark.parametrize(
    ("fit", "batches", "steps"),
    [
        (FitArguments(), 10, 10),
        (FitArguments(), 1000, 64),
        (FitArguments(), None, 64),
        (FitArguments(steps_per_epoch=50), 100, 50),
        (FitArguments(steps_per_epoch=100, validation_steps=30), 500, 10),
    ],
)
def test_steps_of_a_call_divide_the_epoch(fit: FitArguments, batches: int | None, steps: int) -> None:
    assert steps_per_call(shuffled(), batches, fit) == steps


# Validation batches in memory.


def test_validation_batches_are_made_once() -> None:
    made = []

    def counted() -> Dataset:
        data = shuffled()

        def batches() -> Iterator[Any]:
            for batch in data.validation:
                made.append(1)
                yield batch

        rows = tf.data.Dataset.from_generator(batches, output_signature=data.validation.element_spec)
        return replace(data, validation=kept(rows))

    learner = TrainerFactory(job_of(dense, data=counted), None).learner({}, seed=SEED)
    expected = TrainerFactory(job_of(dense, data=shuffled), None).learner({}, seed=SEED)
    assert epochs_of(learner, 3) == epochs_of(expected, 3)
    assert len(made) == batches_of(shuffled().validation)


VARIABLE = tf.Variable(1.0)


@pytest.mark.parametrize(
    ("pipeline", "memory"),
    [
        (NUMBERS.batch(2), 10),
        (NUMBERS.filter(lambda x: x > 0).batch(2), 10),
        (NUMBERS.shuffle(12).batch(2), 1e9),
        (NUMBERS.map(lambda _: tf.random.uniform(())).batch(2), 1e9),
        (NUMBERS.map(lambda x: tf.cast(x, tf.float32) * VARIABLE).batch(2), 1e9),
        (NUMBERS.map(lambda x: tf.numpy_function(lambda y: y, [x], tf.int64)).batch(2), 1e9),
        (NUMBERS.repeat().batch(2), 1e9),
    ],
)
def test_batches_that_do_not_fit_or_may_change_are_read_each_time(pipeline: Any, memory: float) -> None:
    assert in_memory(pipeline, memory) is pipeline
    assert in_memory(NUMBERS.batch(2), 1e9) is not None


# Forms of pipelines.


def test_a_source_gives_unread_pipelines_and_leaves_them_unread_for_an_example() -> None:
    made = []

    def make() -> Dataset:
        made.append(shuffled())
        return made[-1]

    source = Source(make)
    assert source.example.shape == (1, 6)
    assert source.fresh() is made[0]
    assert source.fresh() is made[1]
    source.prepare()
    assert source.fresh() is made[2]
    assert len(made) == 3


def test_a_generator_function_becomes_a_dataset_of_its_batches() -> None:
    import scipy.sparse

    def batches() -> Iterator[Any]:
        for rows in (4, 4, 3):
            yield scipy.sparse.csr_matrix(np.eye(rows, 4)), np.ones(rows), None

    dataset = as_fit_takes_it(batches)
    assert [tf.sparse.to_dense(x).shape[0] for x, _ in dataset] == [4, 4, 3]
    example = example_of(batches, rows=2)
    assert tf.sparse.to_dense(example).numpy().tolist() == np.eye(2, 4).tolist()


def test_a_pipeline_of_a_notebook_is_sent_with_its_elements() -> None:
    made = NUMBERS.shuffle(12, seed=4).batch(5)
    made.class_names = ["a"]
    restore, arguments = reduced(made)
    found = restore(*arguments)
    assert sorted(np.concatenate(list(found.as_numpy_iterator()))) == list(range(12))
    assert found.class_names == ["a"]
    with pytest.raises(DataError, match="Python code produces its elements"):
        reduced(NUMBERS.map(lambda x: tf.numpy_function(lambda y: y, [x], tf.int64)))


# Streams of Parquet files.


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("rows")
    x = np.random.default_rng(0).normal(size=(400, 2))
    for part in range(4):
        rows = slice(part * 100, part * 100 + 100)
        table = pa.table({"a": x[rows, 0], "b": x[rows, 1], "label": x[rows].sum(axis=1) > 0})
        pq.write_table(table, folder / f"{part}.parquet", row_group_size=50)
    return load(f"{folder}/", buffer=120)


def test_a_trial_on_a_stream_equals_fit_and_resumes(stream: Dataset) -> None:
    def model(config: Config) -> keras.Model:
        parts = [keras.Input((2,)), keras.layers.Dropout(0.2), keras.layers.Dense(2, "softmax")]
        model = keras.Sequential(parts)
        model.compile(keras.optimizers.Adam(0.05), loss="categorical_crossentropy", metrics=["accuracy"])
        return model

    job = job_of(model, data=stream.train.files.data, batch_size=50)
    reference, history = fitted(job, stream, epochs=3)
    equals_fit(TrainerFactory(job, stream).learner({}, seed=SEED), reference, history, 3)
    resumes_exactly(TrainerFactory(job, stream), {}, again=TrainerFactory(job, stream))


def test_epochs_of_a_stream_have_orders_of_their_own_and_of_the_seed(stream: Dataset) -> None:
    def rows(split: Any) -> np.ndarray:
        return np.concatenate([x.numpy() for x, _ in split])

    streams, again = opened(stream, 64, 5), opened(stream, 64, 5)
    first, second = rows(streams.train), rows(streams.train)
    assert np.array_equal(first, rows(again.train))
    assert not np.array_equal(first, second)
    assert np.array_equal(np.sort(first, axis=0), np.sort(second, axis=0))
    assert np.array_equal(rows(streams.validation), rows(streams.validation))


def _encoded(folder: Path, sizes: list[tuple[int, int]]) -> str:
    images = [tf.io.encode_png(np.full((*size, 3), place, np.uint8)).numpy() for place, size in enumerate(sizes)]
    table = pa.table({"image": pa.array(images, pa.binary()), "text": ["a"] * len(sizes), "target": range(len(sizes))})
    pq.write_table(table, folder / "images.parquet", row_group_size=5)
    return str(folder / "images.parquet")


def test_images_of_a_stream_are_decoded_as_they_are_read(tmp_path: Path) -> None:
    x, y = next(iter(opened(load(_encoded(tmp_path, [(4, 6)] * 10)), 8, 0).train))
    assert x["image"].shape == (8, 4, 6, 3)
    assert np.allclose(x["image"].numpy()[:, 0, 0, 0] * 255, y.numpy()[:, 0])
    other = opened(load(_encoded(tmp_path, [(4, 6)] * 6 + [(6, 4)] * 4)), 5, 0).train
    with pytest.raises(tf.errors.InvalidArgumentError, match="must all have the size of the first one"):
        list(other)


def test_arrays_of_a_pipelines_validation_may_be_a_split() -> None:
    data = shuffled()
    x, y = next(iter(data.validation.unbatch().batch(20)))
    job = job_of(dense, data=lambda: replace(shuffled(), validation=Split(x.numpy(), y.numpy())))
    learner = TrainerFactory(job, None).learner({}, seed=SEED)
    assert "val_loss" in learner.run_epoch().metrics
