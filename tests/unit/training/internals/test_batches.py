"""The stages of tf.data pipelines."""

import numpy as np
import tensorflow as tf

from pipeline.training.internals.batches import batch_signature, pipeline_functions, pipeline_inputs


def test_the_stages_of_a_pipeline_are_found() -> None:
    """Each stage has the pipeline that it reads, and the functions that it calls."""
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
