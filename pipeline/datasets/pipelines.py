"""Splits that are pipelines: a tf.data.Dataset, a keras.utils.PyDataset, a generator function, or a stream of files.

TensorFlow and Keras are not imported here: code that has such an object has imported them.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, TypeAlias

from pipeline.datasets.stream import Stream
from pipeline.errors import DataError

TF_DATA: Literal["tf.data.Dataset"] = "tf.data.Dataset"
PY_DATASET: Literal["keras.utils.PyDataset"] = "keras.utils.PyDataset"
GENERATOR: Literal["generator function"] = "generator function"

STREAM: Literal["stream of Parquet files"] = "stream of Parquet files"

Kind: TypeAlias = Literal["tf.data.Dataset", "keras.utils.PyDataset", "generator function", "stream of Parquet files"]

_INFINITE, _UNKNOWN = -1, -2


def kind_of(split: Any) -> Kind | None:
    """The kind of pipeline that a split is; None if it is none."""
    if isinstance(split, Stream):
        return STREAM
    if is_tf_data(split):
        return TF_DATA
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(split, keras.utils.PyDataset):
        return PY_DATASET
    if callable(split) and not isinstance(split, type) and not _required_parameters(split):
        return GENERATOR
    return None


def is_tf_data(value: Any) -> bool:
    """Whether a value is a tf.data.Dataset; TensorFlow is not imported for that."""
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(value, tensorflow.data.Dataset)


def batches_of(split: Any) -> int | None:
    """The number of batches in an epoch of a pipeline; None if only reading the pipeline would show it."""
    kind = kind_of(split)
    if kind == PY_DATASET:
        return None if split.num_batches is None else int(split.num_batches)
    if kind == TF_DATA and (size := int(split.cardinality())) >= 0:
        return size
    return None


def is_endless(split: Any) -> bool:
    """Whether a pipeline says that it never ends; a generator function says nothing."""
    kind = kind_of(split)
    if kind == PY_DATASET:
        return bool(split.num_batches is None)
    return kind == TF_DATA and int(split.cardinality()) == _INFINITE


def check_pipeline(split: Any, where: str) -> None:
    """Check that a pipeline can be read, as far as that is possible without reading it."""
    kind = kind_of(split)
    if kind is None:
        raise DataError(f"The {where} is {_found(split)}. {_hint(split)}")
    if kind in (GENERATOR, STREAM):
        return
    if batches_of(split) == 0:
        raise DataError(f"The {where}, a {kind}, has no batches; at least one is needed.")
    if kind == TF_DATA:
        _check_batched(split, where)


def describe(split: Any) -> dict[str, Any]:
    """What is recorded of a pipeline, as JSON values: nothing of its content is read."""
    kind = kind_of(split)
    if isinstance(split, Stream):
        return {"pipeline": kind, "batches": None, **split.description()}
    name = getattr(split, "__qualname__", type(split).__qualname__)
    elements = str(split.element_spec) if kind == TF_DATA else name
    return {"pipeline": kind, "batches": batches_of(split), "elements": elements}


def _check_batched(split: Any, where: str) -> None:
    scalars = [spec for spec in _specs(split.element_spec) if spec.shape.rank == 0]
    if scalars:
        raise DataError(
            f"The {where}, a tf.data.Dataset, has elements that are not batches: {split.element_spec}. Add "
            ".batch(SIZE) at its end."
        )


def _specs(tree: Any) -> Iterator[Any]:
    if isinstance(tree, Mapping):
        for part in tree.values():
            yield from _specs(part)
    elif isinstance(tree, list | tuple):
        for part in tree:
            yield from _specs(part)
    elif is_dataclass(tree) and not isinstance(tree, type):
        for field in fields(tree):
            yield from _specs(getattr(tree, field.name))
    elif getattr(tree, "shape", None) is not None and hasattr(tree.shape, "rank"):
        yield tree


def _required_parameters(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(p.default is inspect.Parameter.empty and p.kind not in optional for p in parameters)


def _found(split: Any) -> str:
    if split is None:
        return "None"
    if inspect.isgenerator(split) or isinstance(split, Iterator):
        return f"a generator or an iterator ({type(split).__name__})"
    if callable(split) and not isinstance(split, type):
        return f"the function {getattr(split, '__qualname__', split)}, which needs arguments"
    return f"an object of type {type(split).__name__}"


def _hint(split: Any) -> str:
    if inspect.isgenerator(split) or isinstance(split, Iterator):
        return "It can be read only once: pass the generator function itself, without calling it."
    if isinstance(split, list | tuple):
        return "Put arrays into a Split, Split(x, y), or into a tuple, (x, y)."
    return (
        "A split is a Split of arrays, a tf.data.Dataset, a keras.utils.PyDataset, or a generator function without "
        "parameters that yields the batches of one epoch."
    )
