"""Data sets: what a study trains, validates and tests on."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.datasets import parquet, parquet_files
from pipeline.datasets.base import Arrays, Dataset, Split, leaves
from pipeline.datasets.breast_cancer import breast_cancer
from pipeline.datasets.config_reads import RecordedConfig
from pipeline.datasets.diabetes import diabetes
from pipeline.datasets.digits import digits
from pipeline.datasets.mnist import mnist
from pipeline.datasets.parquet_files import is_parquet
from pipeline.errors import DataError, UserError
from pipeline.hidden_modules import hidden_behind, hidden_text
from pipeline.study.missing_parameter import missing_parameter
from pipeline.study.uncopied_data import uncopied_data
from pipeline.wording import did_you_mean

__all__ = ["DATASETS", "Arrays", "Dataset", "Split", "leaves", "load"]

DATASETS: dict[str, Callable[[], Dataset]] = {
    "breast-cancer": breast_cancer,
    "diabetes": diabetes,
    "digits": digits,
    "mnist": mnist,
}
"""Every data set by the name that a job uses."""

_WORDS = {
    "U": "text",
    "T": "text",
    "S": "bytes",
    "O": "Python objects",
    "M": "dates",
    "m": "spans of time",
    "c": "complex numbers",
    "V": "records",
}
"""What an array contains, by the kind of its dtype, if that is not numbers."""


def load(
    data: str | Callable[..., Any],
    config: RecordedConfig | None = None,
    *,
    memory: float = math.inf,
    buffer: int | None = None,
) -> Dataset:
    """Load the data set that a job's `data` names."""
    if callable(data):
        dataset = _call(data, () if config is None else (config,))
    elif data in DATASETS:
        dataset = DATASETS[data]()
    elif is_parquet(data):
        dataset = parquet.read(data, memory=memory, buffer=buffer)
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
        parquet_files.check_files(data)


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
        what = f"The data function {name} raised {type(error).__name__}: {error}"
        if hidden := hidden_behind(error):
            what = f"{what}. {hidden_text(hidden)}"
        if uncopied := uncopied_data(error):
            what = f"{what.rstrip('.')}. {uncopied}"
        if arguments and (missing := missing_parameter(error, arguments[0])):
            what = f"{what}. {missing}"
        raise DataError(what) from error
    if not isinstance(dataset, Dataset):
        raise DataError(
            f"The data function {name} returned {type(dataset).__name__}; it must return a "
            "pipeline.Dataset with a train and a validation split, such as Dataset(train=(x, y), validation=(x, y))."
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
    parts = {"inputs": leaves(split.x), "targets or weights": leaves((split.y, split.weight))}
    for part, arrays in parts.items():
        unsupported = {_word(array) for array in arrays if not _supported(array, text=part == "inputs")}
        if unsupported:
            allowed = "numbers or text" if part == "inputs" else "numbers"
            hint = _hint(part, arrays) or _among_texts(split.x)
            raise DataError(
                f"The {where} holds {', '.join(sorted(unsupported))} as {part}; NumPy arrays of {allowed} are allowed, "
                f"and tf.data.Dataset, keras.utils.PyDataset and generator functions as splits.{hint}"
            )
    if not split.rows:
        raise DataError(f"The {where} has no rows; at least one is needed.")


def _hint(part: str, arrays: Sequence[Any]) -> str:
    if part != "inputs" and any(_is_text(array) for array in arrays):
        return (
            " Number the classes with `classes, y = np.unique(y, return_inverse=True)`; "
            "Dataset(…, classes=classes.tolist()) keeps their names."
        )
    return " Convert a list with np.array." if any(isinstance(array, list) for array in arrays) else ""


def _among_texts(inputs: Any) -> str:
    """What to do about an input in which other values, such as missing ones, are among texts; empty if none is."""
    for name, array in inputs.items() if isinstance(inputs, Mapping) else [("", inputs)]:
        if not isinstance(array, np.ndarray) or array.dtype.kind != "O":
            continue
        others = [value for value in array.flat if not isinstance(value, str | bytes)]
        if 0 < len(others) < array.size:
            where = f" of {name!r}" if name else ""
            return (
                f" There is {others[0]!r:.60} among the texts{where}: replace missing values, for example with "
                "fillna('') of pandas."
            )
    return ""


def _is_text(array: Any) -> bool:
    if not isinstance(array, np.ndarray):
        return False
    objects = array.dtype.kind == "O"
    return array.dtype.kind in "US" or (objects and all(isinstance(value, str | bytes) for value in array.flat))


def _supported(array: Any, *, text: bool) -> bool:
    if not isinstance(array, np.ndarray):
        return False
    if array.dtype.kind == "O":
        return text and _is_text(array)
    return array.dtype.kind in ("biufUS" if text else "biuf")


def _word(array: Any) -> str:
    if not isinstance(array, np.ndarray):
        return type(array).__name__
    if _is_text(array) and array.dtype.kind == "O":
        return "text"
    return _WORDS.get(array.dtype.kind, str(array.dtype))
