"""The batches of a validation pipeline in memory: made once for a trial, and not again in each epoch."""

from typing import Any

import tensorflow as tf

from pipeline.datasets import batches_of, is_endless
from pipeline.training.pipeline_state import kept, repeats_itself


def in_memory(pipeline: Any, memory: float) -> Any:
    """A pipeline whose batches are in memory, if they are the same each time it is read, and fit."""
    if not isinstance(pipeline, tf.data.Dataset) or is_endless(pipeline) or not repeats_itself(pipeline):
        return pipeline
    count = batches_of(pipeline)
    if count is not None and any(_bytes(batch) * count > memory for batch in pipeline.take(1)):
        return pipeline
    cached, size = pipeline.cache(), 0
    for batch in cached:
        size += _bytes(batch)
        if size > memory:
            return pipeline
    return kept(cached)


def _bytes(batch: Any) -> int:
    tensors = tf.nest.flatten(batch, expand_composites=True)
    return sum(tensor.shape.num_elements() * tensor.dtype.size + _text_bytes(tensor) for tensor in tensors)


def _text_bytes(tensor: tf.Tensor) -> int:
    return int(tf.reduce_sum(tf.strings.length(tensor))) if tensor.dtype == tf.string else 0
