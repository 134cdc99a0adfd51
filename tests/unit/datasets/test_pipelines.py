"""What is known of a pipeline without reading it, and the pipelines that are refused."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.datasets import Dataset, Split
from pipeline.datasets.fingerprint import differences, fingerprint, pipeline_text
from pipeline.datasets.pipelines import GENERATOR, PY_DATASET, TF_DATA, describe, kind_of
from pipeline.errors import DataError


def batches() -> Iterator[Any]:
    """Two batches."""
    yield np.zeros((2, 3)), np.zeros(2)
    yield np.zeros((2, 3)), np.zeros(2)


class Zeros(keras.utils.PyDataset):
    """Batches of zeros."""

    def __init__(self, count: int | None) -> None:
        super().__init__()
        self._count = count

    @property
    def num_batches(self) -> int | None:
        """Number of batches."""
        return self._count

    def __getitem__(self, index: int) -> Any:
        return np.zeros((2, 3)), np.zeros(2)


def _rows() -> Any:
    return tf.data.Dataset.from_tensor_slices((np.zeros((6, 3), "float32"), np.zeros(6, "float32")))


def test_each_kind_of_pipeline_is_known() -> None:
    """A tf.data.Dataset, a PyDataset and a generator function are pipelines; arrays and generators are not."""
    assert kind_of(_rows()) == TF_DATA
    assert kind_of(Zeros(3)) == PY_DATASET
    assert kind_of(batches) == GENERATOR
    assert kind_of(Split(np.zeros(3))) is None
    assert kind_of(batches()) is None


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (batches(), "pass the generator function itself"),
        ([np.zeros(2), np.zeros(2)], r"Put arrays into a Split, Split\(x, y\), or into a tuple, \(x, y\)"),
        (None, "is None"),
        (lambda config: config, "needs arguments"),
        (_rows(), r"Add .batch\(SIZE\)"),
        (_rows().take(0).batch(2), "has no batches"),
        (Zeros(0), "has no batches"),
    ],
)
def test_a_split_that_cannot_train_is_refused_by_name(split: Any, message: str) -> None:
    """A split that cannot train an epoch is refused by its name when the data set is created."""
    with pytest.raises(DataError, match=f"train split of the data set 'mine'.*{message}"):
        Dataset("mine", split)


def test_weights_need_targets() -> None:
    """A pipeline with weights and without targets is refused, because Keras would ignore the weights."""
    with pytest.raises(DataError, match="weights and no targets"):
        Split(np.zeros(3), None, np.ones(3))


def test_a_study_records_the_kind_of_each_split() -> None:
    """The fingerprint of a pipeline is its kind, its number of batches and its elements; arrays keep their hashes."""
    recorded = fingerprint(Dataset("mine", _rows().batch(4), Split(np.zeros(2)), Zeros(3)))
    assert recorded["train"]["pipeline"] == "tf.data.Dataset"
    assert recorded["train"]["batches"] == 2
    assert "TensorSpec(shape=(None, 3)" in recorded["train"]["elements"]
    assert recorded["validation.x"]["shape"] == [2]
    assert recorded["test"] == {"pipeline": "keras.utils.PyDataset", "batches": 3, "elements": "Zeros"}


def test_a_pipeline_is_described_by_its_rows() -> None:
    """The description of a pipeline has the shape and the type of one row of each part, without TensorFlow's names."""
    inputs = {"left": tf.zeros((8, 32, 3)), "text": tf.constant(["a"] * 8)}
    rows = tf.data.Dataset.from_tensor_slices((inputs, range(8)))
    text = "a tf.data.Dataset with 2 batches of ({'left': 32×3 float32, 'text': string}, int32)"
    assert pipeline_text(describe(rows.batch(4))) == text
    fixed = tf.data.Dataset.range(8).batch(4, drop_remainder=True)
    assert pipeline_text(describe(fixed)) == "a tf.data.Dataset with 2 batches of 4 rows of int64"
    windows = tf.data.Dataset.from_generator(
        lambda: iter(()), output_signature=tf.TensorSpec((None, None, 1), tf.float64, name="series")
    )
    assert pipeline_text(describe(windows)).endswith(" an unknown number of batches of ?×1 float64")


def test_other_pipelines_are_noticed() -> None:
    """A pipeline with other batches, or arrays instead of a pipeline, are reported as differences."""
    before = fingerprint(Dataset("mine", _rows().batch(4)))
    assert differences(before, fingerprint(Dataset("mine", _rows().batch(4)))) == []
    (changed,) = differences(before, fingerprint(Dataset("mine", _rows().batch(3, drop_remainder=True))))
    assert changed.startswith("the train pipeline is a tf.data.Dataset with 2 batches of")
    arrays = differences(before, fingerprint(Dataset("mine", Split(np.zeros(2)))))
    assert arrays == ["there is no train pipeline", "there are now train inputs"]
