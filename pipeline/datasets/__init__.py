"""Data sets: what a study trains, validates and tests on."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.datasets.base import (
    Dataset as Dataset,
    Split as Split,
    batches_of as batches_of,
    is_endless as is_endless,
    is_tf_data as is_tf_data,
    kind_of as kind_of,
    leaves as leaves,
)
from pipeline.datasets.bundled import breast_cancer, diabetes, digits, mnist
from pipeline.datasets.identity import (
    ConfigReads as ConfigReads,
    RecordedConfig as RecordedConfig,
    differences as differences,
    fingerprint as fingerprint,
    pipeline_text as pipeline_text,
    takes_config as takes_config,
)
from pipeline.datasets.parquet import find_files, is_parquet, read
from pipeline.errors import DataError, UserError
from pipeline.text import did_you_mean

DATASETS: dict[str, Callable[[], Dataset]] = {
    "breast-cancer": breast_cancer,
    "diabetes": diabetes,
    "digits": digits,
    "mnist": mnist,
}
"""Every data set by the name that a job uses."""


def load(data: str | Callable[..., Any], config: RecordedConfig | None = None) -> Dataset:
    """Load the data set that a job's `data` names: a bundled one, Parquet files, or what a function returns.

    `config` is for a function that takes it.
    """
    if callable(data):
        return _call(data, () if config is None else (config,))
    if data in DATASETS:
        return DATASETS[data]()
    if is_parquet(data):
        return read(data)
    raise DataError(
        f"There is no data set {data!r}.{did_you_mean(data, DATASETS, quoted=True)} Available: "
        f"{', '.join(sorted(DATASETS))}; a path that ends in .parquet, a folder of such files with a / at its end, and "
        "a function that returns a Dataset are allowed too. pandas converts a CSV file: pd.read_csv(…).to_parquet(…)."
    )


def check_files(data: Any) -> None:
    """Check that a job's data exist, as far as that is possible without loading them."""
    if isinstance(data, str) and data not in DATASETS and is_parquet(data):
        find_files(data)


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


def _check(split: Split, where: str) -> None:
    """Check that inputs are numbers or text, and targets and weights numbers."""
    inputs = leaves(split.x)
    for place, array in enumerate([*inputs, *leaves((split.y, split.weight))]):
        if not _is_usable(array, text=place < len(inputs)):
            raise DataError(
                f"The {where} holds {getattr(array, 'dtype', type(array).__name__)}, which is allowed neither as an "
                "input, which may be a NumPy array of numbers or text, nor as a target or weight, which may have "
                "numbers. np.unique(y, return_inverse=True) numbers classes, and fillna('') replaces missing texts."
            )
    if not split.rows:
        raise DataError(f"The {where} has no rows; at least one is needed.")


def _is_usable(array: Any, *, text: bool) -> bool:
    if not isinstance(array, np.ndarray) or not text:
        return isinstance(array, np.ndarray) and array.dtype.kind in "biuf"
    return array.dtype.kind in "biufUS" or (array.dtype.kind == "O" and {*map(type, array.flat)} <= {str, bytes})
