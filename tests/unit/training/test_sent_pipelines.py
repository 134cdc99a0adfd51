"""tf.data pipelines of a notebook, sent to workers as graphs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.datasets import Dataset
from pipeline.errors import DataError
from pipeline.training.pipeline_stages import changes_because, inexact_because, reading_to_skip, repeats_itself
from pipeline.training.pipelines import reduced

ROWS = np.arange(24, dtype="float32").reshape(12, 2)


def _lines(folder: Path) -> Any:
    """Words of a file, numbered by an adapted layer of Keras."""
    (folder / "words.txt").write_text("red\ngreen\nred\n")
    lookup = keras.layers.StringLookup(vocabulary=["green", "red"])
    return tf.data.TextLineDataset(str(folder / "words.txt")).map(lookup).batch(2)


PIPELINES: dict[str, Callable[[Path], Any]] = {
    "arrays": lambda _: tf.data.Dataset.from_tensor_slices(({"left": ROWS}, ROWS[:, 0])).batch(5).prefetch(2),
    "a seeded shuffle": lambda _: tf.data.Dataset.from_tensor_slices(ROWS).shuffle(12, seed=1).batch(4),
    "a parallel map": lambda _: tf.data.Dataset.range(9).map(lambda n: n * 2, num_parallel_calls=2).cache().batch(2),
    "windows": lambda _: keras.utils.timeseries_dataset_from_array(ROWS, ROWS[:, 1], 3, batch_size=4),
    "an adapted layer": _lines,
    "a repeat": lambda _: tf.data.Dataset.range(3).repeat(2).batch(2, drop_remainder=True),
}


def restored(dataset: Any) -> Any:
    """A pipeline that has been sent."""
    make, arguments = reduced(dataset)
    return make(*arguments)


def elements(dataset: Any) -> list[list[list[Any]]]:
    """The elements of a pipeline as plain values."""
    return [[np.asarray(part).tolist() for part in keras.tree.flatten(element)] for element in dataset]


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in PIPELINES.items()])
def test_a_sent_pipeline_has_the_same_elements(make: Callable[[Path], Any], tmp_path: Path) -> None:
    """A pipeline that is sent has the elements, the specification and the number of batches of the original."""
    sent = restored(make(tmp_path))
    original = make(tmp_path)
    assert sent.element_spec == original.element_spec
    assert int(sent.cardinality()) == int(original.cardinality())
    assert elements(sent) == elements(original)


def test_class_names_are_sent() -> None:
    """The names of the classes that Keras finds in a folder are attributes of the sent pipeline."""
    dataset: Any = tf.data.Dataset.range(2)
    dataset.class_names = ["cat", "dog"]
    assert restored(dataset).class_names == ["cat", "dog"]
    assert not hasattr(restored(tf.data.Dataset.range(2)), "class_names")


@pytest.mark.parametrize(
    "dataset",
    [
        tf.data.Dataset.from_generator(lambda: iter([1]), output_signature=tf.TensorSpec((), tf.int32)),
        tf.data.Dataset.range(2).map(lambda n: tf.numpy_function(abs, [n], tf.int64)),
        tf.data.Dataset.range(2).map(lambda n: tf.py_function(abs, [n], tf.int64)),
    ],
)
def test_python_code_within_a_pipeline_is_refused(dataset: Any) -> None:
    """A pipeline with Python code, which no other process has, is refused with what to do instead."""
    with pytest.raises(
        DataError, match=r"Python code produces its elements .* Build the pipeline in the data function"
    ):
        reduced(dataset.batch(2))


def test_a_graph_that_cannot_be_written_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline that TensorFlow cannot write as a graph, as one of more than 2 GiB, is refused with its reason."""

    def too_large(**_: Any) -> None:
        raise tf.errors.InvalidArgumentError(None, None, "the graph exceeds 2GB\nmore")

    monkeypatch.setattr(tf.raw_ops, "DatasetToGraphV2", too_large)
    with pytest.raises(
        DataError, match=r"workers: InvalidArgumentError: the graph exceeds 2GB\. Build the pipeline in"
    ):
        reduced(tf.data.Dataset.range(3))


def test_nothing_is_concluded_from_a_sent_pipeline() -> None:
    """A sent pipeline whose stages are unknown may change in each epoch, and is skipped by reading."""
    sent = restored(tf.data.Dataset.range(4).batch(2))
    assert not repeats_itself(sent)
    reason = changes_because(sent.map(lambda n: n + 1))
    assert inexact_because(Dataset(sent)) == f"its train data come from {reason}"
    assert reading_to_skip(sent.prefetch(1)) == "all"
    assert reading_to_skip(tf.data.Dataset.range(4).batch(2)) == "nothing"
