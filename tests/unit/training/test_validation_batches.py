"""Validation pipelines whose batches are made once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.training.pipeline_reader import in_memory
from pipeline.training.pipeline_stages import kept

ROWS = tf.data.Dataset.range(10)
ENOUGH = 1e6


def _scaled(rows: Any) -> Any:
    return tf.cast(rows, tf.float32) / 3


def _counted(batches: int) -> tuple[Any, list[int]]:
    """A pipeline that is said to repeat itself, and a list with an item for each batch that was made."""
    made: list[int] = []

    def rows() -> Iterator[np.ndarray]:
        for number in range(batches):
            made.append(number)
            yield np.full(100, number, "float32")

    return kept(tf.data.Dataset.from_generator(rows, output_signature=tf.TensorSpec([100], tf.float32))), made


def _values(pipeline: Any) -> list[Any]:
    return [tf.nest.map_structure(lambda tensor: np.asarray(tensor).tolist(), batch) for batch in pipeline]


@pytest.mark.parametrize(
    "pipeline",
    [
        ROWS.batch(4).map(_scaled),
        ROWS.map(lambda row: (tf.strings.as_string(row), {"y": row})).batch(4).prefetch(1),
        ROWS.filter(lambda row: row > 3).padded_batch(2),
        ROWS.shuffle(10, reshuffle_each_iteration=False).batch(3),
        ROWS.map(_scaled, num_parallel_calls=2).batch(4),
    ],
    ids=["mapped", "texts", "unknown length", "one order", "parallel"],
)
def test_a_pipeline_in_memory_has_the_same_batches(pipeline: Any) -> None:
    """A pipeline that repeats itself is kept, with its specification, its length and its batches."""
    stored = in_memory(pipeline, ENOUGH)
    assert stored is not pipeline
    assert stored.element_spec == pipeline.element_spec
    assert int(stored.cardinality()) == int(pipeline.cardinality())
    assert _values(stored) == _values(pipeline) == _values(stored)


def test_batches_are_made_once() -> None:
    """Each batch is made once, however often the pipeline is read afterwards."""
    pipeline, made = _counted(3)
    stored = in_memory(pipeline, ENOUGH)
    first, second = _values(stored), _values(stored)
    assert first == second
    assert made == [0, 1, 2]


def test_batches_that_do_not_fit_are_read_as_before() -> None:
    """Without the memory for all batches a pipeline stays as it is, and reading ends where the limit is exceeded."""
    pipeline, made = _counted(30)
    assert in_memory(pipeline, 1000) is pipeline
    assert len(made) < 30


def test_a_known_length_decides_after_one_batch() -> None:
    """If the number of batches is known, one batch shows that all of them do not fit."""
    pipeline, made = _counted(30)
    known = kept(pipeline.apply(tf.data.experimental.assert_cardinality(30)))
    assert in_memory(known, 1000) is known
    assert len(made) <= 2


@pytest.mark.parametrize(
    "pipeline",
    [
        ROWS.shuffle(10).batch(2),
        ROWS.map(lambda row: row + tf.random.uniform((), maxval=2, dtype=tf.int64)),
        ROWS.map(lambda row: tf.py_function(lambda same: same, [row], tf.int64)),
        tf.data.Dataset.from_generator(lambda: iter([1, 2]), output_signature=tf.TensorSpec([], tf.int64)),
        ROWS.repeat(),
        np.arange(3),
    ],
    ids=["shuffled", "random", "Python", "generator", "endless", "no pipeline"],
)
def test_a_pipeline_that_may_change_is_read_each_time(pipeline: Any) -> None:
    """A pipeline whose elements may change between epochs, or that never ends, is not kept."""
    assert in_memory(pipeline, ENOUGH) is pipeline


def test_a_variable_that_callbacks_may_change_is_read_each_time() -> None:
    """A pipeline that reads a variable gives what the variable holds in each epoch."""
    scale = tf.Variable(1, dtype=tf.int64)
    pipeline = ROWS.map(lambda row: row * scale)
    assert in_memory(pipeline, ENOUGH) is pipeline
    scale.assign(2)
    assert _values(pipeline)[1] == 2


def test_files_are_read_once(tmp_path: Path) -> None:
    """Lines of a text file are kept as well."""
    (tmp_path / "lines").write_text("a\nb\n")
    stored = in_memory(tf.data.TextLineDataset(str(tmp_path / "lines")), ENOUGH)
    (tmp_path / "lines").unlink()
    assert _values(stored) == [b"a", b"b"]
