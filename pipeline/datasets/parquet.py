"""Parquet files of the user as a data set: one column of targets, maybe one of splits, and inputs."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs

from pipeline.datasets.base import Dataset, Split
from pipeline.errors import DataError, StorageError
from pipeline.machine import this_machine
from pipeline.storage import Store
from pipeline.storage.files import file_system
from pipeline.storage.schema import BROKEN
from pipeline.text import size

if TYPE_CHECKING:
    import pyarrow.dataset as ds

_SPLITS = ("train", "validation", "test")
_TARGETS = ("label", "target")
_RULES = (
    "Allowed: one target column, `label` (text, booleans or whole numbers: classes) or `target` "
    "(numbers); an optional column `split` that says train, validation or test for each row; every other "
    "column is an input."
)
_MIN_ROWS = 5
_MAX_ONE_HOT = 2**31
"""The maximum number of values in the one-hot rows of a label, 8 GB."""
_OTHERS = re.compile(r"/[._]")


def is_parquet(data: str) -> bool:
    """Whether a job's data are Parquet files, and not a data set's name."""
    return data.partition("?")[0].endswith((".parquet", "/"))


def read(data: str) -> Dataset:
    """Read a Parquet file, or a folder of them with a / at its end; docs/data.md says what the columns mean."""
    table, name = _table(data)
    names = table.schema.names
    target = [column for column in _TARGETS if column in names]
    columns = [column for column in names if column not in (*_TARGETS, "split")]
    if len(target) != 1 or not columns or len(set(names)) < len(names):
        raise DataError(f"The columns of {data} are {', '.join(names) or 'none'}. {_RULES}")
    if table.num_rows < _MIN_ROWS:
        raise DataError(f"{data} has fewer than {_MIN_ROWS} rows: {table.num_rows}.")
    x, classes = _inputs(table, columns, data), list[str]()
    if target[0] == "label":
        y, classes = _labels(table.column("label"), data)
    else:
        y = features(table.column("target"), "target", data)
    codes = _codes(table, data)
    splits: dict[str, Any] = {
        split: Split(x, y).part(codes == code) for code, split in enumerate(_SPLITS) if (codes == code).any()
    }
    facts: dict[str, Any] = {"columns": columns}
    if isinstance(x, np.ndarray) and x.ndim > 1:
        facts["inputs"] = x.shape[1]
    return Dataset(name, **splits, classes=classes, facts=facts)


def find_files(data: str) -> tuple[fs.FileSystem, str, list[str]]:
    """The files that a job's `data` name, in the order of their paths, with their file system and folder.

    In a folder, names that begin with . or _ are those of other tools, as for Spark.
    """
    path, mark, query = data.partition("?")
    folder, slash, name = path.rpartition("/")
    try:
        # The store knows the spellings of a place: ~, file:// and URIs of object stores.
        store = Store((folder or slash or ".") + mark + query)
        system, root = (fs.LocalFileSystem(), str(store.local)) if store.local is not None else file_system(store.uri)
        root = root.rstrip("/")
        place = f"{root}/{name}" if name else fs.FileSelector(root or "/", recursive=True)
        found = system.get_file_info(place)
    except (StorageError, OSError, ValueError) as error:
        raise DataError(f"The data {data} cannot be read: {error.__cause__ or error}") from None
    paths = sorted(info.path for info in (found if isinstance(found, list) else [found]) if info.is_file)
    if not name:
        paths = [path for path in paths if path.endswith(".parquet") and not _OTHERS.search(path[len(root) :])]
    if not paths:
        raise DataError(
            f"There is no data file {data} in {store.uri}; its name must end in .parquet. A relative path is "
            "relative to the current folder: run the command there, or give an absolute path."
        )
    return system, root, paths


def _table(data: str) -> tuple[pa.Table, str]:
    """The rows of all files, and the name of the data set. Folders named `column=value` give a column."""
    import pyarrow.dataset as ds  # which imports pandas

    system, root, paths = find_files(data)
    single = not data.partition("?")[0].endswith("/")
    folders = {} if single else {"partitioning": ds.partitioning(flavor="hive"), "partition_base_dir": root}
    try:
        files: ds.Dataset = ds.dataset(paths, filesystem=system, format="parquet", **folders)
        _check(list(files.get_fragments()), data)
        table = files.to_table(use_threads=False)
        # Values instead of categories.
        values = [
            each.cast(each.type.value_type) if pa.types.is_dictionary(each.type) else each for each in table.columns
        ]
    except DataError:
        raise
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise DataError(f"The data {data} cannot be read: {error}") from None
    except BROKEN as error:
        raise DataError(f"A file of the data {data} is not a complete Parquet file: {error}") from None
    return pa.table(values, table.schema.names), PurePosixPath(paths[0] if single else root).stem or "files"


def _check(files: "Sequence[ds.ParquetFileFragment]", data: str) -> None:
    """Check that all files have the same columns, and that their rows fit into memory."""
    first, needed = files[0], 0
    for file in files:
        if not file.physical_schema.equals(first.physical_schema):
            raise DataError(
                f"{file.path} has other columns or types than {first.path}: {file.physical_schema} instead of "
                f"{first.physical_schema}. All files need the same."
            )
        groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
        needed += sum(max(group.total_byte_size, 4 * group.num_rows * group.num_columns) for group in groups)
    if needed > (free := this_machine().free):
        raise DataError(
            f"The rows of {data} need {size(needed)} of memory, and {size(free)} are free. Write a data function that "
            "reads them in batches: docs/data.md has an example."
        )


def _codes(table: pa.Table, data: str) -> np.ndarray:
    """The split of each row: 0 for train, 1 for validation, 2 for test."""
    if "split" not in table.schema.names:
        # A random fifth of the rows, always the same.
        held = np.zeros(table.num_rows, np.uint8)
        held[np.random.default_rng(len(held)).permutation(len(held))[: len(held) // 5]] = 1
        return held
    column = table.column("split")
    # Of another type than text, its name: not every value can be converted to Python.
    values = column if _is_text(column.type) else pa.chunked_array([[str(column.type)]])
    found = pc.index_in(values.cast(pa.string()), pa.array(_SPLITS))
    if found.null_count:
        others = values.filter(pc.is_null(found)).unique().to_pylist()
        raise DataError(
            f"Column 'split' of {data} holds {', '.join(map(str, others[:10]))}; each row must have "
            "train, validation or test."
        )
    codes: np.ndarray = found.to_numpy().astype(np.uint8)
    if not {0, 1} <= set(np.unique(codes)):
        raise DataError(f"Column 'split' of {data} needs at least one row for train and one for validation.")
    return codes


def _labels(column: pa.ChunkedArray, data: str) -> tuple[np.ndarray, list[str]]:
    """Classes as one-hot rows, and their names."""
    _check_complete(column, "label", data)
    if not (_is_text(column.type) or pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)):
        raise DataError(
            f"Column 'label' of {data} holds {column.type}; classes are text, booleans or whole numbers. "
            "Call the column 'target' if it is a number to predict."
        )
    classes = np.unique(column.unique().to_numpy(zero_copy_only=False))
    if len(classes) < 2 or len(classes) > max(1000, min(len(column) // 2, _MAX_ONE_HOT // len(column))):
        raise DataError(
            f"Column 'label' of {data} needs at least two classes, each with several rows; of its {len(column)} values "
            f"{len(classes)} differ. Call it 'target' if it is a number to predict, not a class."
        )
    return one_hot(np.searchsorted(classes, column.to_numpy()), len(classes)), list(map(str, classes.tolist()))


def _inputs(table: pa.Table, names: Sequence[str], data: str) -> np.ndarray | Mapping[str, np.ndarray]:
    """Columns of inputs as a model takes them: numbers joined to one matrix, text apart."""
    texts = {name: table.column(name) for name in names if _is_text(table.schema.field(name).type)}
    for name, column in texts.items():
        _check_complete(column, name, data)
    arrays: dict[str, np.ndarray] = {
        name: texts[name].to_numpy() if name in texts else features(table.column(name), name, data) for name in names
    }
    if not texts:
        return np.concatenate(list(arrays.values()), axis=1)
    return arrays if len(arrays) > 1 else arrays[names[0]]


def features(column: pa.ChunkedArray, name: str, data: str) -> np.ndarray:
    """A column of numbers as a float32 matrix: lists as rows, each byte of fixed-size binary from 0 to 1."""
    _check_complete(column, name, data)
    if pa.types.is_fixed_size_binary(column.type):
        pixels = np.frombuffer(b"".join(column.to_pylist()), np.uint8).reshape(len(column), -1)
        # A multiplication by 1/255 would differ in the last digit.
        scaled: np.ndarray = np.divide(pixels, np.float32(255), dtype=np.float32)
        return scaled
    values = _items(column, name, data)
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_boolean(values.type)):
        role, text = ("an input", "text, ") if name != "target" else ("numbers to predict", "")
        classes = "" if text else " Call a column of classes `label`."
        raise DataError(
            f"Column {name!r} of {data} cannot be {role}: it holds {column.type}. Allowed are numbers, booleans, {text}"
            f"lists of numbers of one length, and binary of a fixed size (each byte a feature from 0 to 1).{classes}"
        )
    with np.errstate(over="ignore"):
        matrix: np.ndarray = values.to_numpy().reshape(len(column), -1).astype(np.float32)
    if bad := int(np.count_nonzero(~np.isfinite(matrix))):
        raise DataError(
            f"Column {name!r} of {data} has values that are not finite as 32-bit numbers ({bad}); the loss would be "
            "NaN from the first step: fill or drop them."
        )
    return matrix


def one_hot(codes: np.ndarray, classes: int) -> np.ndarray:
    """Class numbers as rows of zeros with a single one."""
    rows = np.zeros((len(codes), classes), np.float32)
    rows[np.arange(len(codes)), codes] = 1
    return rows


def _check_complete(column: pa.ChunkedArray, name: str, data: str) -> None:
    if column.null_count:
        raise DataError(f"Column {name!r} of {data} has nulls ({column.null_count}): fill or drop them.")


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def _items(column: pa.ChunkedArray, name: str, data: str) -> pa.ChunkedArray:
    """The numbers in lists of one length, one after the other; the column itself if it has no lists."""
    type_ = column.type
    if not (pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_)):
        return column
    lengths = pc.unique(pc.list_value_length(column)).to_pylist()
    if len(lengths) != 1 or not lengths[0]:
        raise DataError(
            f"The lists in column {name!r} of {data} have the lengths {', '.join(map(str, sorted(lengths)[:10]))}; "
            "they must all have the same length, which is not 0."
        )
    values = pc.list_flatten(column)
    _check_complete(values, name, data)
    return values
