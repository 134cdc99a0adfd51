"""Data sets: what a study trains, validates and tests on."""

import difflib
from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.datasets import parquet
from pipeline.datasets.base import Arrays, Dataset, Split, leaves
from pipeline.datasets.breast_cancer import breast_cancer
from pipeline.datasets.diabetes import diabetes
from pipeline.datasets.digits import digits
from pipeline.datasets.mnist import mnist
from pipeline.errors import DataError, UserError

__all__ = ["DATASETS", "Arrays", "Dataset", "Split", "leaves", "load"]

DATASETS: dict[str, Callable[[], Dataset]] = {
    "breast-cancer": breast_cancer,
    "diabetes": diabetes,
    "digits": digits,
    "mnist": mnist,
}
"""Every data set by the name a job knows it by."""


def load(data: str | Callable[[], Any]) -> Dataset:
    """Load what a job's `data` says.

    Args:
        data: A name in DATASETS, a function that returns a Dataset, or the path or URI of a Parquet file
            (`*.parquet`; its rules are those of `pipeline.datasets.parquet.read`).

    Returns:
        The data set. Its arrays are read-only: one process trains many trials on them, and none may change
        them for the next.

    Raises:
        DataError: There is no such data set, or it cannot be used; says why.
    """
    if callable(data):
        dataset = _called(data)
    elif data in DATASETS:
        dataset = DATASETS[data]()
    elif parquet.is_parquet(data):
        dataset = parquet.read(data)
    else:
        near = difflib.get_close_matches(data, DATASETS, n=1)
        raise DataError(
            f"There is no data set {data!r}{f'; did you mean {near[0]!r}?' if near else '.'} "
            f"There are {', '.join(sorted(DATASETS))}; a path that ends in .parquet and a function that "
            "returns a Dataset are allowed too. pandas makes a Parquet file of a CSV: "
            "pd.read_csv(…).to_parquet(…)."
        )
    for split in (dataset.train, dataset.validation, dataset.test):
        for array in leaves((split.x, split.y, split.weight)) if split else ():
            array.flags.writeable = False
    return dataset


def present(data: Any) -> None:
    """Make sure that what a job's `data` names is there, as far as that can be told without loading it.

    Args:
        data: As `load` takes it, or None.

    Raises:
        DataError: It is not.
    """
    if isinstance(data, str) and data not in DATASETS and parquet.is_parquet(data):
        parquet.present(data)


def _called(function: Callable[[], Any]) -> Dataset:
    name = getattr(function, "__qualname__", repr(function))
    try:
        dataset = function()
    except UserError:
        raise
    except Exception as error:
        raise DataError(f"The data function {name} raised {type(error).__name__}: {error}") from error
    if not isinstance(dataset, Dataset):
        raise DataError(
            f"The data function {name} returned {type(dataset).__name__}; it must return a "
            "pipeline.Dataset with a train and a validation Split."
        )
    for split in ("train", "validation", "test"):
        _check(getattr(dataset, split), f"{split} split of the data function {name}")
    return dataset


def _check(split: Split | None, where: str) -> None:
    if split is None:
        return
    arrays = leaves((split.x, split.y, split.weight))
    strange = {type(array).__name__ for array in arrays if not isinstance(array, np.ndarray)}
    strange |= {
        str(array.dtype) for array in arrays if isinstance(array, np.ndarray) and array.dtype.kind not in "biuf"
    }
    if strange:
        raise DataError(f"The {where} holds {', '.join(sorted(strange))}; NumPy arrays of numbers are allowed.")
    if not split.rows:
        raise DataError(f"The {where} has no rows; at least one is needed.")
