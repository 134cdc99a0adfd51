"""tf.data pipelines of a notebook, sent to workers as graphs."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from pipeline.errors import DataError
from pipeline.training.pipeline_state import PYTHON_OPERATIONS, without_stages

_ATTRIBUTES = ("class_names", "file_paths")
"""What Keras adds to the pipelines that it creates from folders."""


def reduced(dataset: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A pipeline in the form in which pickle takes an object."""
    in_function = "Build the pipeline in the data function: then each worker builds its own."
    try:
        graph = tf.raw_ops.DatasetToGraphV2(input_dataset=tf.data.experimental.to_variant(dataset)).numpy()
        definition = tf.compat.v1.GraphDef.FromString(graph)
    except Exception as error:
        raise DataError(
            f"A tf.data.Dataset of the notebook cannot be sent to the workers: {type(error).__name__}: "
            f"{str(error).partition(chr(10))[0]}. {in_function}"
        ) from error
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    if PYTHON_OPERATIONS & {node.op for node in nodes}:
        raise DataError(
            "A tf.data.Dataset of the notebook cannot be sent to the workers: Python code produces its elements "
            f"(from_generator, py_function or numpy_function). {in_function}"
        )
    attributes = {name: getattr(dataset, name) for name in _ATTRIBUTES if hasattr(dataset, name)}
    return _restored, (graph, dataset.element_spec, attributes)


def _restored(graph: bytes, spec: Any, attributes: dict[str, Any]) -> Any:
    variant = tf.raw_ops.DatasetFromGraph(graph_def=graph)
    dataset = without_stages(tf.data.experimental.from_variant(variant, spec))
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset
