"""The random draws and the state of pipelines."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.datasets import Dataset, Split
from pipeline.training.pipeline_state import inexact_because, pipeline_variables, reading_to_skip

ROWS = tf.data.Dataset.range(8)


def _drawn(x: Any) -> Any:
    return x + tf.random.uniform((), maxval=2, dtype=tf.int64)


def _python(x: Any) -> Any:
    return tf.py_function(lambda y: y, [x], tf.int64)


@pytest.mark.parametrize(
    ("pipeline", "reading"),
    [
        (ROWS.batch(2), "nothing"),
        (ROWS.shuffle(8), "nothing"),
        (ROWS.shuffle(8).batch(2), "nothing"),
        (ROWS.map(lambda x: x + 1).shuffle(8).prefetch(1), "nothing"),
        (ROWS.shuffle(8).shuffle(4), "first"),
        (ROWS.shuffle(8).batch(2).shuffle(4), "first"),
        (ROWS.shuffle(8).repeat(2), "all"),
        (ROWS.concatenate(ROWS.shuffle(8)), "all"),
        (ROWS.shuffle(8, reshuffle_each_iteration=False).repeat(2), "nothing"),
        (ROWS.repeat(2).batch(2), "nothing"),
    ],
)
def test_an_epoch_is_skipped_by_reading_as_little_as_possible(pipeline: tf.data.Dataset, reading: str) -> None:
    """Skipping an epoch reads no element, the first or all, depending on where the pipeline shuffles."""
    assert reading_to_skip(pipeline) == reading


@pytest.mark.parametrize("reading", ["nothing", "first", "all"])
def test_a_skipped_epoch_leaves_the_next_one_as_it_would_be(reading: str) -> None:
    """After a skipped epoch, a pipeline's next epoch equals the one after a complete epoch."""
    make = {
        "nothing": lambda: ROWS.shuffle(8).batch(2),
        "first": lambda: ROWS.shuffle(8).shuffle(4),
        "all": lambda: ROWS.shuffle(8).repeat(2),
    }[reading]

    def second(skip: bool) -> list[Any]:
        tf.random.set_seed(1)
        pipeline = make()
        assert reading_to_skip(pipeline) == reading
        iterator = iter(pipeline)
        if not skip or reading == "all":
            list(iterator)
        elif reading == "first":
            next(iterator)
        return [np.asarray(each).tolist() for each in pipeline]

    assert second(skip=True) == second(skip=False)


class _Counting(keras.utils.PyDataset):
    """A PyDataset with state between epochs."""

    def __len__(self) -> int:
        return 1

    def on_epoch_end(self) -> None:
        """Count."""


class _Plain(keras.utils.PyDataset):
    """A PyDataset without state."""

    def __len__(self) -> int:
        return 1


def _unordered() -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = False
    return ROWS.with_options(options)


@pytest.mark.parametrize(
    ("split", "reason"),
    [
        (ROWS.shuffle(8).batch(2), None),
        (ROWS.map(_drawn), None),
        (ROWS.map(_drawn, num_parallel_calls=2), "a parallel map that draws random numbers"),
        (ROWS.map(lambda x: x + 1, num_parallel_calls=2), None),
        (ROWS.map(lambda x: x, num_parallel_calls=2, deterministic=False), "deterministic=False"),
        (
            ROWS.interleave(tf.data.Dataset.from_tensors, num_parallel_calls=2, deterministic=False),
            "deterministic=False",
        ),
        (ROWS.interleave(tf.data.Dataset.from_tensors, num_parallel_calls=2), None),
        (_unordered(), "the option deterministic=False"),
        (ROWS.map(_python), "Python code within tf.data"),
        (ROWS.shuffle(8).cache(), "a cache after a shuffle or a random draw"),
        (ROWS.map(_drawn).cache(), "a cache after a shuffle or a random draw"),
        (ROWS.cache().shuffle(8), None),
        (lambda: iter([]), "a generator function"),
        (_Counting(), "its own on_epoch_end"),
        (_Plain(), None),
    ],
)
def test_pipelines_that_cannot_resume_exactly_are_named_with_a_reason(split: Any, reason: str | None) -> None:
    """A pipeline that cannot resume exactly is named by its split with a reason, except in the test split."""
    if isinstance(split, tf.data.Dataset):
        split = split.batch(2)
    found = inexact_because(Dataset("d", split))
    assert found is None if reason is None else found is not None and found.startswith("its train data come from ")
    assert reason is None or reason in (found or "")
    rows = np.zeros((2, 1))
    assert inexact_because(Dataset("d", Split(rows, rows), test=split)) is None


def test_variables_of_layers_in_a_pipeline_are_found() -> None:
    """Variables of layers in a pipeline, such as an augmentation's seed generator, are found once each."""
    layer = keras.layers.RandomFlip(seed=1)
    images = tf.data.Dataset.from_tensor_slices(np.zeros((2, 4, 4, 1), np.float32))
    split = images.map(lambda x: layer(x, training=True)).batch(2)
    assert len(pipeline_variables(Dataset("d", split, split))) == 1
    assert pipeline_variables(Dataset("d", images.batch(2))) == []


def test_variables_of_one_name_are_listed_in_the_order_of_their_use() -> None:
    """Variables without their own name, which are saved by their place, come in the order of their first use."""
    counters = [tf.Variable(0, dtype=tf.int64) for _ in range(12)]

    def count(x: Any) -> Any:
        for counter in counters:
            x += counter.assign_add(1)
        return x

    found = pipeline_variables(Dataset("d", ROWS.map(count).batch(2)))
    assert [id(each) for each in found] == [id(each) for each in counters]
