"""Data sets: what a study trains, validates and tests on."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pipeline.datasets.base import (
    GENERATOR,
    PY_DATASET,
    STREAM,
    TF_DATA,
    Arrays,
    Dataset,
    Split,
    batches_of,
    is_endless,
    is_tf_data,
    kind_of,
    leaves,
)
from pipeline.datasets.bundled import breast_cancer, diabetes, digits, mnist
from pipeline.datasets.identity import (
    ConfigReads,
    RecordedConfig,
    differences,
    fingerprint,
    first_recorded,
    non_finite,
    pipeline_text,
    recorded_buffer,
    recorded_for,
    takes_config,
    with_combination,
    without_hash,
)
from pipeline.datasets.parquet import ParquetFiles, Stream, is_parquet, read
from pipeline.errors import DataError, UserError
from pipeline.text import did_you_mean

__all__ = [
    "DATASETS",
    "GENERATOR",
    "PY_DATASET",
    "STREAM",
    "TF_DATA",
    "Arrays",
    "ConfigReads",
    "Dataset",
    "RecordedConfig",
    "Split",
    "Stream",
    "batches_of",
    "check_files",
    "differences",
    "fingerprint",
    "first_recorded",
    "is_endless",
    "is_tf_data",
    "kind_of",
    "leaves",
    "load",
    "non_finite",
    "pipeline_text",
    "recorded_buffer",
    "recorded_for",
    "takes_config",
    "with_combination",
    "without_hash",
]

DATASETS: dict[str, Callable[[], Dataset]] = {
    "breast-cancer": breast_cancer,
    "diabetes": diabetes,
    "digits": digits,
    "mnist": mnist,
}
"""Every data set by the name that a job uses."""


def load(
    data: str | Callable[..., Any],
    config: RecordedConfig | None = None,
    *,
    memory: float = math.inf,
    buffer: int | None = None,
) -> Dataset:
    """Load the data set that a job's `data` names.

    Args:
        data: A bundled data set's name, Parquet files, or a function.
        config: The config for a function that takes it.
        memory: Bytes that a trial has for data: larger Parquet files are streamed.
        buffer: Rows of the shuffle buffer with which a study began to stream its files; see `parquet.read`.
    """
    if callable(data):
        dataset = _call(data, () if config is None else (config,))
    elif data in DATASETS:
        dataset = DATASETS[data]()
    elif is_parquet(data):
        dataset = read(data, memory=memory, buffer=buffer)
    else:
        raise DataError(
            f"There is no data set {data!r}.{did_you_mean(data, DATASETS, quoted=True)} "
            f"Available: {', '.join(sorted(DATASETS))}; a path that ends in .parquet, a folder of such files with a / "
            "at its end, and a function that returns a Dataset are allowed too. pandas converts a CSV file: "
            "pd.read_csv(…).to_parquet(…)."
        )
    for split in dataset.arrays.values():
        for name in ("x", "y", "weight"):
            object.__setattr__(split, name, _read_only(getattr(split, name)))
    return dataset


def check_files(data: Any) -> None:
    """Check that a job's data exist, as far as that is possible without loading them."""
    if isinstance(data, str) and data not in DATASETS and is_parquet(data):
        ParquetFiles.find(data)


def _call(function: Callable[..., Any], arguments: tuple[RecordedConfig, ...]) -> Dataset:
    name = getattr(function, "__qualname__", repr(function))
    try:
        dataset = function(*arguments)
    except DataError as error:
        # The cause has the line at which the function makes a Split or a Dataset that cannot be used.
        raise DataError(str(error)) from error
    except UserError:
        raise
    except Exception as error:
        raise DataError(f"The data function {name} raised {type(error).__name__}: {error}") from error
    if not isinstance(dataset, Dataset):
        raise DataError(
            f"The data function {name} returned {type(dataset).__name__}; it must return a Dataset, "
            "such as Dataset(train=(x, y), validation=(x, y))."
        )
    for split, arrays in dataset.arrays.items():
        _check(arrays, f"{split} split of the data function {name}")
    return dataset


def _read_only(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {name: _read_only(part) for name, part in tree.items()}
    if isinstance(tree, tuple):
        return tuple(map(_read_only, tree))
    if tree is None:
        return None
    view = tree.view()
    view.flags.writeable = False
    return view


def _check(split: Split, where: str) -> None:
    """Check that inputs are numbers or text, and targets and weights numbers."""
    for part, arrays in {"inputs": leaves(split.x), "targets or weights": leaves((split.y, split.weight))}.items():
        for array in arrays:
            is_array = isinstance(array, np.ndarray)
            if is_array and (array.dtype.kind in "biuf" or (part == "inputs" and _is_text(array))):
                continue
            raise DataError(
                f"The {where} holds {f'an array of {array.dtype}' if is_array else type(array).__name__} as {part}; "
                f"NumPy arrays of numbers{' or text' if part == 'inputs' else ''} are allowed, and tf.data.Dataset, "
                "keras.utils.PyDataset and generator functions as splits. np.unique(y, return_inverse=True) numbers "
                "classes, and fillna('') replaces missing texts."
            )
    if not split.rows:
        raise DataError(f"The {where} has no rows; at least one is needed.")


def _is_text(array: np.ndarray) -> bool:
    objects = array.dtype.kind == "O"
    return array.dtype.kind in "US" or (objects and all(isinstance(value, str | bytes) for value in array.flat))
