"""The data among the arguments of a search, as a data set of tunepipe."""

from typing import Any

import numpy as np

from pipeline.adapters.keras_tuner.search import search_arguments
from pipeline.adapters.program import Call
from pipeline.datasets import Dataset, Split


def data_of(call: Call) -> Dataset:
    """The data of a search."""
    given = search_arguments(call)
    x, y, weight = given.get("x"), given.get("y"), given.get("sample_weight")
    validation = given.get("validation_data")
    return Dataset(
        "data",
        _split(x, y, weight),
        None if validation is None else _split(*_triple(validation)),
        validation_split=given.get("validation_split") or None,
    )


def pair(split: Any) -> Any:
    """The arguments of `fit` for a split: inputs and targets, or a pipeline of both."""
    return (split.x, split.y) if isinstance(split, Split) else (split,)


def _split(x: Any, y: Any = None, weight: Any = None) -> Any:
    pipeline = y is None and not isinstance(x, np.ndarray | list | dict | tuple) and not hasattr(x, "to_numpy")
    if pipeline:
        return x
    arrays = [value.to_numpy() if hasattr(value, "to_numpy") else value for value in (x, y, weight)]
    return Split(*(np.asarray(value) if hasattr(value, "numpy") else value for value in arrays))


def _triple(validation: Any) -> tuple[Any, ...]:
    return tuple(validation) if isinstance(validation, tuple | list) else (validation,)
