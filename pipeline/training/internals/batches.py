"""Batches as Keras' fit reads them, and the stages of tf.data pipelines."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from pipeline.missing_names import ABSENT, warn_once


def epoch_iterator(**arguments: Any) -> Any:
    """What Keras' fit reads batches with, epoch by epoch."""
    from keras.src.backend.tensorflow.trainer import TFEpochIterator

    return TFEpochIterator(**arguments)


def iterable_of(batches: Any) -> Any:
    """The tf.data pipeline of which an epoch iterator makes an iterator for each epoch."""
    return batches._distributed_dataset


def element_spec(batches: Any) -> Any:
    """The specification of a batch."""
    return batches._distributed_dataset.element_spec


def batch_signature(batches: Sequence[Any]) -> Any:
    """The specification that batches share, as Keras derives it for generators."""
    from keras.src.trainers.data_adapters.data_adapter_utils import get_tensor_spec

    return get_tensor_spec(batches)


def symbolic_build(model: keras.Model, batches: Any) -> None:
    """Build what a distribution strategy needs before the first step; nothing without one."""
    model._maybe_symbolic_build(iterator=batches)


def pipeline_inputs(dataset: Any) -> list[Any]:
    """The pipelines that a stage of a tf.data pipeline reads."""
    return list(dataset._inputs())


def pipeline_functions(dataset: Any) -> list[Any]:
    """The traced functions that a stage of a tf.data pipeline calls."""
    return [wrapper.function for wrapper in dataset._functions()]


def stage_kind(dataset: Any) -> str:
    """The kind of a stage of a tf.data pipeline, such as Map or ParallelMap."""
    return type(dataset).__name__.strip("_").removesuffix("Dataset")


def is_parallel(dataset: Any) -> bool:
    """Whether a stage of a tf.data pipeline runs its function on several elements in parallel."""
    return "Parallel" in stage_kind(dataset)


def reshuffles(dataset: Any) -> bool:
    """Whether a stage of a tf.data pipeline gives another order in each epoch."""
    each_epoch: Any = getattr(dataset, "_reshuffle_each_iteration", ABSENT)
    if each_epoch is not ABSENT:
        return bool(each_epoch)
    if stage_kind(dataset) != "Shuffle":
        return False
    warn_once(
        "TensorFlow",
        "ShuffleDataset._reshuffle_each_iteration",
        "each shuffle counts as one of another order in each epoch",
    )
    return True


def is_nondeterministic(dataset: Any) -> bool:
    """Whether a stage of a tf.data pipeline may give its elements in another order each time (deterministic=False)."""
    deterministic: Any = getattr(dataset, "_deterministic", ABSENT)
    if deterministic is not ABSENT:
        return bool(deterministic == "false")
    if not is_parallel(dataset):
        return False
    # A parallel interleave keeps this only in its graph.
    determined = _determined(dataset)
    if determined is None:
        warn_once("TensorFlow", f"{stage_kind(dataset)}Dataset._deterministic", "such a stage counts as inexact")
    return determined is not True


def _determined(dataset: Any) -> bool | None:
    """Whether the graph of a pipeline up to a stage has none of its kind with deterministic=False; None if unknown."""
    serialize = getattr(dataset, "_as_serialized_graph", None)
    if serialize is None:
        return None
    try:
        serialized = serialize(external_state_policy=tf.data.experimental.ExternalStatePolicy.IGNORE).numpy()
    except tf.errors.OpError:
        return None
    graph = tf.compat.v1.GraphDef.FromString(serialized)
    stages = [node for node in graph.node if node.op.startswith(f"{stage_kind(dataset)}Dataset")]
    known = [node.attr["deterministic"].s != b"false" for node in stages if "deterministic" in node.attr]
    return all(known) if known else None
