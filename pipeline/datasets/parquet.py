"""A Parquet file of the user's as a data set."""

from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets.base import Dataset, Split
from pipeline.datasets.columns import features, one_hot
from pipeline.errors import DataError, StorageError
from pipeline.storage import Store
from pipeline.storage.parquet import BROKEN

__all__ = ["is_parquet", "present", "read"]

_SPLITS = ("train", "validation", "test")
_RULES = (
    "Allowed: one target column, `label` (text, truth values or whole numbers: classes) or `target` "
    "(numbers); an optional column `split` that says train, validation or test for each row; every other "
    "column is an input."
)
_LEAST = 5


def is_parquet(data: str) -> bool:
    """Whether `data` is the path or URI of a Parquet file, rather than a data set's name."""
    return data.partition("?")[0].endswith(".parquet")


def present(data: str) -> None:
    """Make sure that a file is there, before anything is begun that needs it.

    Args:
        data: A local path or a URI that the storage knows.

    Raises:
        DataError: It is not.
    """
    try:
        store, name = _place(data)
        there = store.exists(name)
    except StorageError as error:
        raise DataError(f"The data file {data} cannot be looked at: {error.__cause__ or error}") from None
    if not there:
        raise _missing(data)


def read(data: str) -> Dataset:
    """Read a Parquet file as a data set.

    The target is the column `label`, whose values are classes (text, truth values or whole numbers; one-hot,
    in sorted order), or the column `target`, whose values are numbers. Every other column is an input:
    numbers, lists of numbers of one length, or binary of a fixed size, each byte a feature from 0 to 1;
    several stand side by side in their order. A column `split` may name each row's split, train, validation
    or test. Without it a fifth of the rows is held out for validation by a permutation that depends on the
    number of rows alone, and there is no test split.

    Args:
        data: A local path or a URI that the storage knows.

    Returns:
        x float32, shape (rows, features); y float32, shape (rows, classes) or (rows, 1).

    Raises:
        DataError: The file cannot be read, or its content breaks a rule; says which, and what was found.
    """
    table = _table(data)
    target = [name for name in ("label", "target") if name in table.column_names]
    inputs = [name for name in table.column_names if name not in ("label", "target", "split")]
    if len(target) != 1 or not inputs or len(set(table.column_names)) < len(table.column_names):
        raise DataError(f"The columns of {data} are {', '.join(table.column_names) or 'none'}. {_RULES}")
    if table.num_rows < _LEAST:
        raise DataError(f"{data} has {table.num_rows} rows; at least {_LEAST} are needed.")
    x = np.concatenate([features(table.column(name), name, data) for name in inputs], axis=1)
    y, classes = _target(table.column(target[0]), target[0], data)
    splits = {name: Split(x[rows], y[rows]) for name, rows in _rows(table, data).items() if len(rows)}
    return Dataset(
        name=PurePosixPath(data.partition("?")[0]).stem,
        train=splits["train"],
        validation=splits["validation"],
        test=splits.get("test"),
        classes=classes,
        facts={"inputs": x.shape[1], "columns": inputs},
    )


def _place(data: str) -> tuple[Store, str]:
    path, mark, query = data.partition("?")
    folder, slash, name = path.rpartition("/")
    store = Store((folder or slash or ".") + mark + query)
    if store.local is None:
        return store, name
    # The user's own file may be a link to wherever they keep it.
    place = (store.local / name).resolve()
    return Store(place.parent), place.name


def _missing(data: str) -> DataError:
    store, _ = _place(data)
    return DataError(
        f"There is no data file {data} in {store.uri}. A relative path starts where the command is called: call it "
        "from where the file is, or give the whole path."
    )


def _table(data: str) -> pa.Table:
    try:
        store, name = _place(data)
        content = store.read(name)
        return pq.read_table(pa.BufferReader(content))
    except FileNotFoundError:
        raise _missing(data) from None
    except StorageError as error:
        cause = error.__cause__ or error
        raise DataError(f"The data file {data} cannot be read: {cause}") from None
    except BROKEN as error:
        raise DataError(f"The data file {data} is not a whole Parquet file: {error}") from None


def _target(column: pa.ChunkedArray, name: str, where: str) -> tuple[np.ndarray, list[str]]:
    if column.null_count:
        raise DataError(f"Column {name!r} of {where} has {column.null_count} nulls; every row needs a target.")
    if name == "target":
        return features(column, name, where), []
    column = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    type_ = column.type
    text = _is_text(type_)
    if not (text or pa.types.is_integer(type_) or pa.types.is_boolean(type_)):
        raise DataError(
            f"Column 'label' of {where} holds {type_}; classes are text, truth values or whole numbers. "
            "Call the column 'target' if it is a number to be predicted."
        )
    classes, codes = np.unique(column.to_numpy(), return_inverse=True)
    if len(classes) < 2:
        raise DataError(f"Column 'label' of {where} holds a single class, {classes[0]!r}; at least two are needed.")
    if not text and len(classes) > max(1000, len(codes) // 2):
        raise DataError(
            f"Column 'label' of {where} holds {len(classes)} different whole numbers in {len(codes)} rows. "
            "Call it 'target' if it is a number to be predicted, rather than a class."
        )
    return one_hot(codes, len(classes)), [str(value) for value in classes]


def _rows(table: pa.Table, where: str) -> dict[str, np.ndarray]:
    if "split" not in table.column_names:
        order = np.random.default_rng(table.num_rows).permutation(table.num_rows)
        held_out = table.num_rows // 5
        return {"train": np.sort(order[held_out:]), "validation": np.sort(order[:held_out])}
    column = table.column("split")
    column = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    # Other types are shown by their name: not every value of theirs is one of Python's.
    named = np.asarray(column.to_pylist(), object) if _is_text(column.type) else np.array([column.type])
    found = sorted({str(name) for name in named})
    if not {"train", "validation"} <= set(found) <= set(_SPLITS):
        shown = ", ".join(found[:10])
        raise DataError(
            f"Column 'split' of {where} holds {shown}; it must say train, validation or test for each row, "
            "and at least one row each must be for train and for validation."
        )
    return {name: np.flatnonzero(named == name) for name in _SPLITS}


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))
