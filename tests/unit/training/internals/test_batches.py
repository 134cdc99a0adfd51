"""The stages of tf.data pipelines."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline import missing_names
from pipeline.training.internals.batches import (
    batch_signature,
    element_spec,
    epoch_iterator,
    is_nondeterministic,
    is_parallel,
    iterable_of,
    pipeline_functions,
    pipeline_inputs,
    reshuffles,
    stage_kind,
    symbolic_build,
)

ROWS = tf.data.Dataset.range(4)


def _ones(number: Any) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors(number)


def test_the_stages_of_a_pipeline_are_found() -> None:
    """Each stage of a pipeline is found with the pipeline that it reads and the functions that it calls."""
    source = tf.data.Dataset.range(4)
    mapped = source.map(lambda number: number + 1)
    assert pipeline_inputs(mapped) == [source]
    assert pipeline_inputs(source) == []
    assert len(pipeline_functions(mapped)) == 1
    assert pipeline_functions(source) == []


def test_batches_of_different_lengths_share_a_signature() -> None:
    """Batches of different lengths have one signature with an open number of rows."""
    batches = [(np.zeros((rows, 2), np.float32),) for rows in (4, 3)]
    (found,) = batch_signature(batches)
    assert found.shape.as_list() == [None, 2]
    assert found.dtype == tf.float32


def test_an_epoch_iterator_gives_the_batches_of_fit() -> None:
    """Keras has TFEpochIterator with `_distributed_dataset`, and Model has `_maybe_symbolic_build`."""
    rows = np.arange(4, dtype=np.float32)[:, None]
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    batches = epoch_iterator(
        x=rows, y=rows, batch_size=2, shuffle=False, distribute_strategy=tf.distribute.get_strategy()
    )
    assert element_spec(batches)[0].shape.as_list()[1:] == [1]
    assert [np.asarray(x)[:, 0].tolist() for x, _ in iterable_of(batches)] == [[0, 1], [2, 3]]
    symbolic_build(model, batches)


@pytest.mark.parametrize(
    ("stage", "kind", "shuffled", "parallel", "nondeterministic"),
    [
        (ROWS.shuffle(4), "Shuffle", True, False, False),
        (ROWS.shuffle(4, reshuffle_each_iteration=False), "Shuffle", False, False, False),
        (ROWS.map(lambda x: x), "Map", False, False, False),
        (ROWS.map(lambda x: x, num_parallel_calls=2), "ParallelMap", False, True, False),
        (ROWS.map(lambda x: x, num_parallel_calls=2, deterministic=True), "ParallelMap", False, True, False),
        (ROWS.map(lambda x: x, num_parallel_calls=2, deterministic=False), "ParallelMap", False, True, True),
        (ROWS.batch(2, num_parallel_calls=2), "ParallelBatch", False, True, False),
        (ROWS.interleave(_ones, num_parallel_calls=2), "ParallelInterleave", False, True, False),
        (ROWS.interleave(_ones, num_parallel_calls=2, deterministic=False), "ParallelInterleave", False, True, True),
    ],
)
def test_a_stage_says_what_it_does_to_the_order(
    stage: Any, kind: str, shuffled: bool, parallel: bool, nondeterministic: bool
) -> None:
    """A stage reports its kind and whether it reshuffles, is parallel, or returns its elements in any order."""
    assert (stage_kind(stage), reshuffles(stage)) == (kind, shuffled)
    assert (is_parallel(stage), is_nondeterministic(stage)) == (parallel, nondeterministic)


def test_a_stage_without_its_attributes_counts_as_inexact(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stage without TensorFlow's attributes of its order counts as inexact, and a message reports it."""
    monkeypatch.setattr(missing_names, "warned", set())
    shuffle = type("_ShuffleDataset", (), {})()
    parallel = type("_ParallelMapDataset", (), {})()
    assert (reshuffles(shuffle), is_nondeterministic(parallel)) == (True, True)
    assert (reshuffles(parallel), is_nondeterministic(shuffle)) == (False, False)
    assert capsys.readouterr().err.count("This version of TensorFlow has no ") == 2


def test_a_stage_whose_graph_cannot_be_written_counts_as_inexact() -> None:
    """A parallel interleave that TensorFlow cannot write as a graph counts as inexact, and the trial does not fail."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise tf.errors.UnimplementedError(None, None, "no graph")

    assert is_nondeterministic(type("_ParallelInterleaveDataset", (), {"_as_serialized_graph": refuse})())
