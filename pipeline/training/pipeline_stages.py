"""What the stages of a tf.data pipeline say of it: whether it repeats itself, and how an epoch of it is skipped."""

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias
from weakref import WeakSet

import tensorflow as tf

from pipeline.datasets import Dataset
from pipeline.training.internals import (
    captured_variables,
    is_nondeterministic,
    pipeline_functions,
    pipeline_inputs,
    reshuffles,
    stage_kind,
)

Reading: TypeAlias = Literal["nothing", "first", "all"]
"""How much of an epoch must be read to leave a pipeline as the epoch would leave it."""

PYTHON_OPERATIONS = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
"""Operations that call Python code of the process which made them."""

_READINGS: list[Reading] = ["nothing", "first", "all"]

_FIXED = {
    *("Batch", "ParallelBatch", "PaddedBatch", "RaggedBatch", "Unbatch", "Prefetch", "Options", "Shard"),
    *("Map", "ParallelMap", "Filter", "Take", "Skip", "Zip", "FlatMap", "Interleave", "ParallelInterleave"),
}
"""Stages that begin their input once for each iterator. Others, such as repeat, begin it again in the middle."""

_RANDOM = ("Random", "ParameterizedTruncatedNormal", "TruncatedNormal", "Multinomial")
_ASSIGNING = ("Assign", "RngReadAndSkip", "Stateful")
"""How the names of operations begin that draw from a generator of TensorFlow, or change a variable."""

_kept: "WeakSet[Any]" = WeakSet()
"""Pipelines whose elements are the same in each epoch, whatever makes them."""

_without_stages: "WeakSet[Any]" = WeakSet()
"""Pipelines of which nothing but the graph is known."""


def kept(dataset: Any) -> Any:
    """Record that the elements of a pipeline are the same in each epoch, so that what makes them does not matter."""
    _kept.add(dataset)
    return dataset


def without_stages(dataset: Any) -> Any:
    """Record that the stages of a pipeline are not known, so that nothing is concluded from them."""
    _without_stages.add(dataset)
    return dataset


def pipeline_variables(data: Dataset) -> list[Any]:
    """The variables that functions of tf.data pipelines change, such as the seed generators of Keras' layers."""
    variables: dict[int, Any] = {}
    for name, split in data.pipelines.items():
        for stage in _stages(split) if name != "test" and isinstance(split, tf.data.Dataset) else ():
            for function in pipeline_functions(stage):
                # A graph lists its variables in another order in another process, and a user's may share a name.
                variables.update(
                    {id(v.handle): v for v in (*captured_variables(function.graph), *function.graph.variables)}
                )
    return sorted(variables.values(), key=lambda variable: str(variable.name))


def changes_because(dataset: Any) -> str | None:
    """Which part of a tf.data pipeline gives other elements, or another order, each time; None if none is known.

    What Python code within the pipeline does is not known.
    """
    if dataset.options().deterministic is False:
        return "the option deterministic=False"
    for stage in _stages(dataset):
        if stage in _without_stages:
            return "a tf.data pipeline of a notebook"
        if is_nondeterministic(stage):
            return "a parallel map with deterministic=False"
        if reshuffles(stage):
            return "a shuffle"
        names = {name for function in pipeline_functions(stage) for name in _operations(function)}
        if stage_kind(stage) == "Random" or any(name.startswith((*_RANDOM, *_ASSIGNING)) for name in names):
            return "a function that draws random numbers, or keeps a state"
    return None


def repeats_itself(dataset: Any) -> bool:
    """Whether a tf.data pipeline certainly has the same elements in the same order each time it is read."""
    if changes_because(dataset) is not None:
        return False
    functions = [function for stage in _stages(dataset) for function in pipeline_functions(stage)]
    # A callback may change a variable, and Python code may do anything.
    return not any(function.graph.variables or _operations(function) & PYTHON_OPERATIONS for function in functions)


def reading_to_skip(dataset: Any, needed: Reading = "nothing") -> Reading:
    """How much of an epoch must be read to skip it.

    The order of a shuffle is drawn when its input begins: for the last one when the iterator is made, for those before
    it with the first element, and before a repeat or a concatenation at some later element.
    """
    if dataset in _without_stages:
        return "all"
    shuffles = reshuffles(dataset)
    here: Reading = needed if shuffles else "nothing"
    below = needed
    if shuffles and needed == "nothing":
        below = "first"
    elif not shuffles and stage_kind(dataset) not in _FIXED:
        below = "all"
    return max([here, *(reading_to_skip(each, below) for each in pipeline_inputs(dataset))], key=_READINGS.index)


def _operations(function: Any) -> set[str]:
    library = function.graph.as_graph_def().library.function
    inner = {node.op for part in library for node in part.node_def}
    return inner | {operation.type for operation in function.graph.get_operations()}


def _stages(dataset: Any) -> Iterator[Any]:
    """The pipelines of which a tf.data pipeline is made, from itself to its sources."""
    if dataset not in _kept:
        yield dataset
        for source in pipeline_inputs(dataset):
            yield from _stages(source)
