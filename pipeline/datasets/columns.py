"""Columns of Parquet files as the arrays of a network."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError

Inputs: TypeAlias = np.ndarray | Mapping[str, np.ndarray]
"""One array, or arrays by the names of their columns; rows first."""


def inputs(table: pa.Table, names: Sequence[str], where: str) -> Inputs:
    """Columns of inputs as a model takes them: numbers joined to one matrix, text apart."""
    texts = {name for name in names if is_text(table.schema.field(name).type)}
    if not texts:
        return np.concatenate([features(table.column(name), name, where) for name in names], axis=1)
    arrays = {name: (_texts if name in texts else features)(table.column(name), name, where) for name in names}
    return arrays if len(arrays) > 1 else arrays[names[0]]


def features(column: pa.ChunkedArray, name: str, where: str) -> np.ndarray:
    """A column of numbers as a float32 matrix: lists as rows, each byte of fixed-size binary from 0 to 1."""
    check_complete(column, name, where)
    if pa.types.is_fixed_size_binary(column.type):
        pixels = np.frombuffer(b"".join(column.to_pylist()), np.uint8).reshape(len(column), -1)
        # A multiplication by 1/255 would differ in the last digit.
        scaled: np.ndarray = np.divide(pixels, np.float32(255), dtype=np.float32)
        return scaled
    values = _items(column, name, where)
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_boolean(values.type)):
        raise DataError(
            f"Column {name!r} of {where} cannot be an input: it holds {column.type}. Allowed are numbers, booleans, "
            "text, lists of numbers of one length, and binary of a fixed size (each byte a feature from 0 to 1)."
        )
    with np.errstate(over="ignore"):
        matrix: np.ndarray = values.to_numpy().reshape(len(column), -1).astype(np.float32)
    if bad := int(np.count_nonzero(~np.isfinite(matrix))):
        raise DataError(
            f"Column {name!r} of {where} holds {bad} values that are not finite (as 32-bit numbers); the loss would be "
            "NaN from the first step: fill or drop them."
        )
    return matrix


def one_hot(codes: np.ndarray, classes: int) -> np.ndarray:
    """Class numbers as rows of zeros with a single one."""
    rows = np.zeros((len(codes), classes), np.float32)
    rows[np.arange(len(codes)), codes] = 1
    return rows


def check_complete(column: pa.ChunkedArray, name: str, where: str) -> None:
    if column.null_count:
        raise DataError(f"Column {name!r} of {where} has {column.null_count} nulls: fill or drop them.")


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values of a column of categories; another column as it is."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def is_text(type_: pa.DataType) -> bool:
    """Whether a type, or that of its categories, is text."""
    values = type_.value_type if pa.types.is_dictionary(type_) else type_
    return bool(pa.types.is_string(values) or pa.types.is_large_string(values) or pa.types.is_string_view(values))


def _texts(column: pa.ChunkedArray, name: str, where: str) -> np.ndarray:
    check_complete(column, name, where)
    values: np.ndarray = plain(column).to_numpy()
    return values


def _items(column: pa.ChunkedArray, name: str, where: str) -> pa.ChunkedArray:
    """The numbers in lists of one length, one after the other; the column itself if it has no lists."""
    type_ = column.type
    if not (pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_)):
        return column
    lengths = pc.unique(pc.list_value_length(column)).to_pylist()
    if len(lengths) != 1 or not lengths[0]:
        raise DataError(
            f"The lists in column {name!r} of {where} have the lengths {', '.join(map(str, sorted(lengths)[:10]))}; "
            "they must all have the same length, which is not 0."
        )
    values = pc.list_flatten(column)
    check_complete(values, name, where)
    return values
