"""Parquet files of the user as a data set: loaded, or streamed where they are larger than memory."""

import math
from collections import Counter

import numpy as np
import pyarrow as pa

from pipeline.datasets.base import Dataset, Split
from pipeline.datasets.column_arrays import decode_categories, features, inputs, is_image, is_text
from pipeline.datasets.holdout import holdout_mask
from pipeline.datasets.null_values import check_no_nulls
from pipeline.datasets.parquet_files import ParquetFiles
from pipeline.datasets.row_arrays import one_hot
from pipeline.datasets.stream import Stream
from pipeline.errors import DataError
from pipeline.wording import size

_SPLITS = ("train", "validation", "test")
_RULES = (
    "Allowed: one target column, `label` (text, booleans or whole numbers: classes) or `target` "
    "(numbers); an optional column `split` that says train, validation or test for each row; every other "
    "column is an input."
)
_MIN_ROWS = 5
_BUFFER_BYTES = 2**28
"""The maximum bytes of the shuffle buffer."""

_OBJECT_BYTES = 58
"""Bytes that Python needs for a text in addition to its content: the object and the reference to it."""


def read(data: str, *, memory: float = math.inf, buffer: int | None = None) -> Dataset:
    """Read Parquet files as a data set.

    The target is the column `label`, whose values are classes (text, booleans or whole numbers; one-hot, in sorted
    order), or the column `target`, whose values are numbers. Every other column is an input: numbers, lists of numbers
    of one length, or binary of a fixed size, each byte a feature from 0 to 1; several columns are joined in their
    order. Text, and images as binary of any length, are separate inputs: then inputs are a dict by column, if there
    are several. A column `split` may name each row's split: train, validation or test. Without it, a fifth of the rows
    is held out for validation, by a permutation that depends only on the number of rows, and there is no test split.
    """
    files = ParquetFiles.find(data)
    schema = files.dataset.schema
    target = [name for name in ("label", "target") if name in schema.names]
    columns = [name for name in schema.names if name not in ("label", "target", "split")]
    if len(target) != 1 or not columns or len(set(schema.names)) < len(schema.names):
        raise DataError(f"The columns of {data} are {', '.join(schema.names) or 'none'}. {_RULES}")
    if files.rows < _MIN_ROWS:
        raise DataError(f"{data} has {files.rows} rows; at least {_MIN_ROWS} are needed.")
    check_no_nulls(files, columns)
    sizes = _group_sizes(files, columns)
    if buffer is None:
        streams = sum(sizes) > memory or any(is_image(schema.field(name).type) for name in columns)
        buffer = _buffer(files, sizes, memory) if streams else 0
    return _stream(files, columns, target[0], buffer) if buffer else _load(files, columns, target[0])


def _load(files: ParquetFiles, columns: list[str], target: str) -> Dataset:
    data = files.data
    with files.read():
        table = files.dataset.to_table()
    x = inputs(table, columns, data)
    y, classes = _target(table.column(target), target, data)
    splits = {
        name: Split(x[rows] if isinstance(x, np.ndarray) else {key: x[key][rows] for key in x}, y[rows])
        for name, rows in _split_rows(table, data).items()
        if len(rows)
    }
    width = {"inputs": x.shape[1]} if isinstance(x, np.ndarray) and x.ndim > 1 else {}
    return Dataset(
        name=files.name,
        train=splits["train"],
        validation=splits["validation"],
        test=splits.get("test"),
        classes=classes,
        facts={**width, "columns": columns},
    )


def _stream(files: ParquetFiles, columns: list[str], target: str, buffer: int) -> Dataset:
    named = "split" in files.dataset.schema.names
    values, rows = _classes_and_rows(files, target, named=named)
    splits = {
        name: Stream(files, name, tuple(columns), target, values, named, count, min(buffer, count))
        for name, count in rows.items()
        if count
    }
    return Dataset(
        name=files.name,
        train=splits["train"],
        validation=splits["validation"],
        test=splits.get("test"),
        classes=[str(value) for value in values],
        facts={"columns": columns},
    )


def _classes_and_rows(files: ParquetFiles, target: str, *, named: bool) -> tuple[tuple[object, ...], dict[str, int]]:
    """The classes, and the rows of each split, from one pass through the columns that define them."""
    columns = [*(["label"] if target == "label" else []), *(["split"] if named else [])]
    classes: np.ndarray | None = None
    counts: Counter[str] = Counter()
    for group in files.groups if columns else ():
        table = files.table(group, columns)
        if target == "label":
            labels = _classes(table.column("label"), files.data)
            classes = labels if classes is None else np.union1d(classes, labels)
            _check_class_count(classes, files.rows, files.data)
        if named:
            counts.update(_names(table.column("split")).tolist())
    if classes is not None and len(classes) < 2:
        raise _single_class_error(classes, files.data)
    if named:
        _check_names(sorted({str(name) for name in counts}), files.data)
    else:
        held = int(np.count_nonzero(holdout_mask(files.rows)))
        counts.update({"train": files.rows - held, "validation": held})
    return tuple(classes.tolist()) if classes is not None else (), {name: counts[name] for name in _SPLITS}


def _group_sizes(files: ParquetFiles, columns: list[str]) -> list[float]:
    """Bytes of the arrays of each row group's inputs, according to the files' footers."""
    schema, sizes = files.dataset.schema, []
    with files.read():
        for group in files.groups:
            metadata, size = files.fragments[group.file].metadata.row_group(group.group), 0.0
            for place in range(metadata.num_columns):
                column = metadata.column(place)
                name = column.path_in_schema.partition(".")[0]
                if name in columns:
                    type_ = schema.field(name).type
                    if is_text(type_) or is_image(type_):
                        size += column.total_uncompressed_size + _OBJECT_BYTES * column.num_values
                    else:
                        width = type_.byte_width if pa.types.is_fixed_size_binary(type_) else 1
                        size += 4.0 * width * column.num_values
            sizes.append(size)
    return sizes


def _buffer(files: ParquetFiles, sizes: list[float], memory: float) -> int:
    """Rows of the shuffle buffer: a quarter of the memory, since a row group and its arrays need some, too."""
    largest = max(sizes)
    if largest > memory / 2 and math.isfinite(memory):
        place = files.groups[sizes.index(largest)]
        raise DataError(
            f"The data {files.data} are larger than the {size(int(memory))} of memory that a trial has for data, and "
            f"a row group of {files.paths[place.file]}, which is read as a whole, has {size(int(largest))} "
            f"({place.rows:,} rows). Write the files with smaller row groups (row_group_size of "
            "pyarrow.parquet.write_table), or train fewer trials in parallel with --workers."
        )
    return max(1, int(min(_BUFFER_BYTES, memory / 4) / max(1.0, sum(sizes) / files.rows)))


def _target(column: pa.ChunkedArray, name: str, where: str) -> tuple[np.ndarray, list[str]]:
    if name == "target":
        _check_no_nulls(column, name, where)
        return features(column, name, where), []
    classes = _classes(column, where)
    if len(classes) < 2:
        raise _single_class_error(classes, where)
    _check_class_count(classes, len(column), where)
    codes = np.searchsorted(classes, decode_categories(column).to_numpy())
    return one_hot(codes, len(classes)), [str(value) for value in classes]


def _check_no_nulls(column: pa.ChunkedArray, name: str, where: str) -> None:
    if column.null_count:
        raise DataError(f"Column {name!r} of {where} has {column.null_count} nulls; every row needs a target.")


def _classes(column: pa.ChunkedArray, where: str) -> np.ndarray:
    """The values of a column of labels, sorted."""
    _check_no_nulls(column, "label", where)
    column = decode_categories(column)
    type_ = column.type
    if not (is_text(type_) or pa.types.is_integer(type_) or pa.types.is_boolean(type_)):
        raise DataError(
            f"Column 'label' of {where} holds {type_}; classes are text, booleans or whole numbers. "
            "Call the column 'target' if it is a number to predict."
        )
    return np.unique(column.unique().to_numpy(zero_copy_only=False))


def _single_class_error(classes: np.ndarray, where: str) -> DataError:
    return DataError(f"Column 'label' of {where} holds a single class, {classes[0]!r}; at least two are needed.")


def _check_class_count(classes: np.ndarray, rows: int, where: str) -> None:
    if classes.dtype.kind in "iu" and len(classes) > max(1000, rows // 2):
        raise DataError(
            f"Column 'label' of {where} holds {len(classes)} different whole numbers in {rows} rows. "
            "Call it 'target' if it is a number to predict, not a class."
        )


def _split_rows(table: pa.Table, where: str) -> dict[str, np.ndarray]:
    if "split" not in table.column_names:
        held = holdout_mask(table.num_rows)
        return {"train": np.flatnonzero(~held), "validation": np.flatnonzero(held)}
    named = _names(table.column("split"))
    _check_names(sorted({str(name) for name in named}), where)
    return {name: np.flatnonzero(named == name) for name in _SPLITS}


def _names(column: pa.ChunkedArray) -> np.ndarray:
    """The split of each row; of another type than text, its name: not every value can be converted to Python."""
    column = decode_categories(column)
    return np.asarray(column.to_pylist(), object) if is_text(column.type) else np.array([column.type], object)


def _check_names(names: list[str], where: str) -> None:
    if not {"train", "validation"} <= set(names) <= set(_SPLITS):
        shown = ", ".join(names[:10])
        raise DataError(
            f"Column 'split' of {where} holds {shown}; each row must have train, validation or test, with at least "
            "one row for train and one for validation."
        )
