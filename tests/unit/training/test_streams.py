"""Trials on streams of Parquet files: equal to Keras' fit, and exact after a resume."""

import random
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from pipeline.datasets import Dataset, load
from pipeline.space import Config
from pipeline.storage import pack, unpack
from pipeline.study import Objective, TuneJob
from pipeline.training.build import seed_generators
from pipeline.training.internals import ordered_sums
from pipeline.training.pipelines import opened
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.reference_training import job_of, weights_of

_ROWS, _SEED = 400, 3


def _model(config: Config) -> keras.Model:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.2), keras.layers.Dense(2, "softmax")])
    model.compile(keras.optimizers.Adam(0.05), loss="categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Streams of four files in eight row groups."""
    place = tmp_path_factory.mktemp("rows")
    x = np.random.default_rng(0).normal(size=(_ROWS, 2))
    for part in range(4):
        rows = slice(part * 100, part * 100 + 100)
        table = pa.table({"a": x[rows, 0], "b": x[rows, 1], "label": x[rows].sum(axis=1) > 0})
        pq.write_table(table, place / f"{part}.parquet", row_group_size=50)
    found = load(f"{place}/", buffer=120)
    assert list(found.pipelines) == ["train", "validation"]
    return found


def _job(data: Dataset, **fields: Any) -> TuneJob:
    return job_of(_model, data=data.train.files.data, objectives=[Objective("val_loss", "min")], **fields)


def _epochs(learner: Any, count: int) -> list[dict[str, float]]:
    return [dict(learner.run_epoch().metrics) for _ in range(count)]


@pytest.mark.parametrize("batch_size", [pytest.param(32, marks=pytest.mark.long), 50])
def test_a_trial_equals_fit(data: Dataset, batch_size: int) -> None:
    """A trial trains on the batches that one call of Keras' fit reads from the stream, with the config's batch size."""
    job = _job(data, space={"batch_size": batch_size})
    learner = TrainerFactory(job, data).learner(job.space, seed=_SEED)
    found = _epochs(learner, 3)
    model = TrainerFactory(job, data).build(job.space, seed=_SEED)
    streams = opened(data, batch_size, _SEED)
    seeds = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, _logs: seed_generators(_SEED, f"epoch {epoch}"))
    with ordered_sums():
        fitted = model.fit(streams.train, validation_data=streams.validation, epochs=3, callbacks=[seeds], verbose=0)
    assert found == [{name: fitted.history[name][epoch] for name in found[0]} for epoch in range(3)]
    assert learner.inexact is None
    assert learner.rows == 320


def test_a_resumed_trial_equals_one_that_never_stopped(data: Dataset) -> None:
    """From a checkpoint of epoch 2, epochs 3 and 4 have the digits of the undisturbed trial, whatever ran before."""
    job = _job(data)
    learner = TrainerFactory(job, data).learner(job.space, seed=_SEED)
    undisturbed = _epochs(learner, 4)
    weights = weights_of(learner.model)
    factory = TrainerFactory(job, data)
    first = factory.learner(job.space, seed=_SEED)
    _epochs(first, 2)
    state = unpack(b"".join(pack(first.save())), "state")
    tf.random.set_seed(random.randrange(1000))
    resumed = TrainerFactory(job, data).learner(job.space, seed=_SEED)
    resumed.load(state)
    assert _epochs(resumed, 2) == undisturbed[2:]
    assert all(map(np.array_equal, weights_of(resumed.model), weights))


def test_epochs_have_orders_of_their_own_and_of_the_seed(data: Dataset) -> None:
    """Each epoch has all rows in a different order, and a validation has the order of the files."""
    streams, again = opened(data, 64, 5), opened(data, 64, 5)

    def rows(split: Any) -> np.ndarray:
        return np.concatenate([x.numpy() for x, _ in split])

    first, second = rows(streams.train), rows(streams.train)
    assert np.array_equal(first, rows(again.train))
    assert not np.array_equal(first, second)
    assert np.array_equal(np.sort(first, axis=0), np.sort(second, axis=0))
    assert np.array_equal(rows(streams.validation), rows(streams.validation))
    assert int(streams.train.cardinality()) == 5


def _encoded(place: Path, sizes: list[tuple[int, int]]) -> str:
    images = [tf.io.encode_png(np.full((*size, 3), place, np.uint8)).numpy() for place, size in enumerate(sizes)]
    table = pa.table({"image": pa.array(images, pa.binary()), "text": ["a"] * len(sizes), "target": range(len(sizes))})
    pq.write_table(table, place / "images.parquet", row_group_size=5)
    return str(place / "images.parquet")


def test_images_are_decoded_as_they_are_read(tmp_path: Path) -> None:
    """Binary values of any length are decoded as images from 0 to 1, in a dict with the other columns."""
    data = load(_encoded(tmp_path, [(4, 6)] * 10))
    x, y = next(iter(opened(data, 8, 0).train))
    assert x["image"].shape == (8, 4, 6, 3)
    assert np.allclose(x["image"].numpy()[:, 0, 0, 0] * 255, y.numpy()[:, 0])
    assert x["text"].numpy().tolist() == [b"a"] * 8


def test_images_of_other_sizes_are_refused(tmp_path: Path) -> None:
    """An image of another size than the first ends the epoch with an error that names its column."""
    data = load(_encoded(tmp_path, [(4, 6)] * 9 + [(5, 5)]))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"column .*image.* size of the first one"):
        [list(opened(data, 8, 0).splits[name]) for name in ("train", "validation")]
