"""The random state of a pipeline: whether reading it from a later epoch gives that epoch's batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from weakref import WeakSet

import keras
import tensorflow as tf

from pipeline.datasets import GENERATOR, PY_DATASET, STREAM, Dataset, kind_of
from pipeline.training.internals import (
    captured_variables,
    is_nondeterministic,
    is_parallel,
    pipeline_functions,
    pipeline_inputs,
    reshuffles,
    stage_kind,
)
from pipeline.training.state import random_ops

Reading: TypeAlias = Literal["nothing", "first", "all"]
"""How much of an epoch must be read to leave a pipeline as the epoch would leave it."""

_READINGS: list[Reading] = ["nothing", "first", "all"]

_FIXED = {
    *("Batch", "ParallelBatch", "PaddedBatch", "RaggedBatch", "Unbatch", "Prefetch", "Options", "Shard"),
    *("Map", "ParallelMap", "Filter", "Take", "Skip", "Zip", "FlatMap", "Interleave", "ParallelInterleave"),
}
"""Stages that begin their input once for each iterator. Others, such as repeat, begin it again in the middle."""

_ASSIGNING = ("Assign", "RngReadAndSkip", "Stateful")
"""How the names of operations begin that change a variable."""

_kept: "WeakSet[Any]" = WeakSet()
"""Pipelines whose elements are the same in each epoch, whatever makes them."""

_without_stages: "WeakSet[Any]" = WeakSet()
"""Pipelines of which nothing but the graph is known."""

PYTHON_OPERATIONS = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
"""Operations that call Python code of the process which made them."""

_OUTSIDE = "a tf.data pipeline that is built outside the data function, so all trials read the same one"


@dataclass(frozen=True, slots=True)
class _Stage:
    """A stage of a tf.data pipeline."""

    dataset: Any
    cached: bool

    @property
    def functions(self) -> list[Any]:
        """The traced functions that the stage calls."""
        return pipeline_functions(self.dataset)


def inexact_because(data: Dataset) -> str | None:
    """Why a trial that resumes on pipelines may get other batches; None if it gets the same."""
    for name, split in data.pipelines.items():
        if name != "test" and (reason := _inexact(split)) is not None:
            return f"its {name} data come from {reason}"
    return None


def pipeline_variables(data: Dataset) -> list[Any]:
    """The variables that functions of tf.data pipelines change, such as the seed generators of Keras' layers."""
    variables: dict[int, Any] = {}
    for name, split in data.pipelines.items():
        for stage in _stages(split) if name != "test" and isinstance(split, tf.data.Dataset) else ():
            for function in stage.functions:
                # A graph lists its variables in another order in another process, and a user's may share a name.
                captured = captured_variables(function.graph) or []
                variables.update({id(each.handle): each for each in (*captured, *function.graph.variables)})
    return sorted(variables.values(), key=lambda variable: str(variable.name))


def kept(dataset: Any) -> Any:
    """Record that the elements of a pipeline are the same in each epoch, so that what makes them does not matter."""
    _kept.add(dataset)
    return dataset


def without_stages(dataset: Any) -> Any:
    """Record that the stages of a pipeline are not known, so that nothing is concluded from them."""
    _without_stages.add(dataset)
    return dataset


def reading_to_skip(split: Any) -> Reading:
    """How much of an epoch must be read to skip it.

    The order of a shuffle is drawn when its input begins: for the last one when the iterator is made, for those before
    it with the first element, and before a repeat or a concatenation at some later element.
    """
    return _reading(split, "nothing")


def changes_because(dataset: Any) -> str | None:
    """Which part of a tf.data pipeline gives other elements, or another order, each time; None if none is known.

    What Python code within the pipeline does is not known.
    """
    if dataset.options().deterministic is False:
        return "the option deterministic=False"
    for stage in _stages(dataset):
        if stage.dataset in _without_stages:
            return _OUTSIDE
        if is_nondeterministic(stage.dataset):
            return "a parallel map or interleave with deterministic=False"
        if reshuffles(stage.dataset):
            return "a shuffle"
        if stage_kind(stage.dataset) == "Random" or any(map(_changes, stage.functions)):
            return "a function that draws random numbers, or keeps a state"
    return None


def repeats_itself(dataset: Any) -> bool:
    """Whether a tf.data pipeline certainly has the same elements in the same order each time it is read."""
    if changes_because(dataset) is not None:
        return False
    functions = [function for stage in _stages(dataset) for function in stage.functions]
    # A callback may change a variable, and Python code may do anything.
    return not any(function.graph.variables or _operations(function) & PYTHON_OPERATIONS for function in functions)


def _reading(dataset: Any, needed: Reading) -> Reading:
    """As `reading_to_skip`, where a shuffle here would need `needed` because of the stages after it."""
    if dataset in _without_stages:
        return "all"
    shuffles = reshuffles(dataset)
    here: Reading = needed if shuffles else "nothing"
    below = needed
    if shuffles and needed == "nothing":
        below = "first"
    elif not shuffles and stage_kind(dataset) not in _FIXED:
        below = "all"
    return max([here, *(_reading(each, below) for each in pipeline_inputs(dataset))], key=_READINGS.index)


def _inexact(split: Any) -> str | None:
    kind = kind_of(split)
    if kind == STREAM:
        return None
    if kind == GENERATOR:
        return "a generator function, whose state between epochs is not saved"
    if kind == PY_DATASET:
        own = [name for name in ("on_epoch_begin", "on_epoch_end") if _overrides(split, name)]
        if own:
            return f"a PyDataset with its own {' and '.join(own)}, whose state between epochs is not saved"
        return None
    if split.options().deterministic is False:
        return "a tf.data pipeline with the option deterministic=False, whose order differs each time"
    return next(filter(None, map(_inexact_stage, _stages(split))), None)


def _inexact_stage(stage: _Stage) -> str | None:
    if stage.dataset in _without_stages:
        return _OUTSIDE
    operations = {name for function in stage.functions for name in _operations(function)}
    draws = any(random_ops(function) for function in stage.functions) or any(
        function.graph.variables for function in stage.functions
    )
    if is_nondeterministic(stage.dataset):
        return "a parallel map or interleave with deterministic=False, whose order differs each time"
    if operations & PYTHON_OPERATIONS:
        return "Python code within tf.data (from_generator, py_function), whose state is not saved"
    if draws and is_parallel(stage.dataset):
        return (
            "a parallel map that draws random numbers, whose order differs each time; remove "
            "num_parallel_calls from that map, or draw with tf.random.stateless_*"
        )
    if stage.cached and (draws or reshuffles(stage.dataset)):
        return "a cache after a shuffle or a random draw, which keeps the first epoch; put .cache() before it"
    return None


def _changes(function: Any) -> bool:
    """Whether a function draws from a generator, or assigns to a variable, such as a layer's seed generator."""
    return bool(random_ops(function)) or any(name.startswith(_ASSIGNING) for name in _operations(function))


def _operations(function: Any) -> set[str]:
    library = function.graph.as_graph_def().library.function
    inner = {node.op for part in library for node in part.node_def}
    return inner | {operation.type for operation in function.graph.get_operations()}


def stages_of(dataset: Any) -> Iterator[Any]:
    """The pipelines of which a tf.data pipeline is made, from itself to its sources."""
    return (stage.dataset for stage in _stages(dataset))


def _stages(dataset: Any, cached: bool = False) -> Iterator[_Stage]:
    if dataset in _kept:
        return
    yield _Stage(dataset, cached)
    cached = cached or stage_kind(dataset) == "Cache"
    for source in pipeline_inputs(dataset):
        yield from _stages(source, cached)


def _overrides(split: Any, name: str) -> bool:
    return getattr(type(split), name) is not getattr(keras.utils.PyDataset, name)
