"""Batches as Keras' fit reads them, and the stages of tf.data pipelines."""

from collections.abc import Sequence
from typing import Any

import keras

__all__ = [
    "batch_signature",
    "element_spec",
    "epoch_iterator",
    "iterable_of",
    "pipeline_functions",
    "pipeline_inputs",
    "symbolic_build",
]


def epoch_iterator(**arguments: Any) -> Any:
    """What Keras' fit reads batches with, epoch by epoch.

    Args:
        arguments: As fit gives them: x, y, sample_weight, batch_size, shuffle, its strategy and steps_per_execution.
    """
    from keras.src.backend.tensorflow.trainer import TFEpochIterator

    return TFEpochIterator(**arguments)


def iterable_of(batches: Any) -> Any:
    """The tf.data pipeline of which an epoch iterator makes an iterator for each epoch.

    Args:
        batches: As `epoch_iterator` returns it.
    """
    return batches._distributed_dataset


def element_spec(batches: Any) -> Any:
    """The specification of a batch.

    Args:
        batches: As `epoch_iterator` returns it.
    """
    return batches._distributed_dataset.element_spec


def batch_signature(batches: Sequence[Any]) -> Any:
    """The specification that batches share, as Keras derives it for generators.

    Args:
        batches: Batches of the same structure.
    """
    from keras.src.trainers.data_adapters.data_adapter_utils import get_tensor_spec

    return get_tensor_spec(batches)


def symbolic_build(model: keras.Model, batches: Any) -> None:
    """Build what a distribution strategy needs before the first step; nothing without one.

    Args:
        model: The model.
        batches: As `epoch_iterator` returns it.
    """
    model._maybe_symbolic_build(iterator=batches)


def pipeline_inputs(dataset: Any) -> list[Any]:
    """The pipelines that a stage of a tf.data pipeline reads.

    Args:
        dataset: A tf.data.Dataset.
    """
    return list(dataset._inputs())


def pipeline_functions(dataset: Any) -> list[Any]:
    """The traced functions that a stage of a tf.data pipeline calls.

    Args:
        dataset: A tf.data.Dataset.
    """
    return [wrapper.function for wrapper in dataset._functions()]
