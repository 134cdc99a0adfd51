"""Conversion of Arrow columns to the arrays of a network."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from pipeline.errors import DataError

Inputs: TypeAlias = np.ndarray | Mapping[str, np.ndarray]
"""One array, or arrays by the names of their columns; rows first."""


def inputs(table: pa.Table, names: Sequence[str], where: str) -> Inputs:
    """Columns of inputs as a model takes them."""
    apart = {name for name in names if is_text(type_ := table.schema.field(name).type) or is_image(type_)}
    if not apart:
        return np.concatenate([features(table.column(name), name, where) for name in names], axis=1)
    arrays = {name: (objects if name in apart else features)(table.column(name), name, where) for name in names}
    return arrays if len(arrays) > 1 else arrays[names[0]]


def objects(column: pa.ChunkedArray, name: str, where: str) -> np.ndarray:
    """A column of text, or of bytes."""
    _check_no_nulls(column, name, where)
    values: np.ndarray = decode_categories(column).to_numpy()
    return values


def decode_categories(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values of a column of categories; another column as it is."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def is_text(type_: pa.DataType) -> bool:
    """Whether a type, or that of its categories, is text."""
    values = type_.value_type if pa.types.is_dictionary(type_) else type_
    return bool(pa.types.is_string(values) or pa.types.is_large_string(values) or pa.types.is_string_view(values))


def is_image(type_: pa.DataType) -> bool:
    """Whether a type holds images as the bytes of their files: binary of any length."""
    return bool(pa.types.is_binary(type_) or pa.types.is_large_binary(type_) or pa.types.is_binary_view(type_))


def features(column: pa.ChunkedArray, name: str, where: str) -> np.ndarray:
    """A column of inputs as a matrix."""
    _check_no_nulls(column, name, where)
    type_ = column.type
    if pa.types.is_fixed_size_binary(type_):
        return _scaled(_bytes(column))
    if pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_):
        return _finite(_lists(column, name, where), name, where)
    if _is_number(type_) or pa.types.is_boolean(type_):
        return _finite(column.to_numpy().reshape(-1, 1), name, where)
    raise DataError(
        f"Column {name!r} of {where} cannot be an input: it holds {_in_words(type_)}. Allowed are numbers, "
        "booleans, text, lists of numbers of one length, and binary of a fixed size (each byte a feature from 0 "
        "to 1)."
    )


def _check_no_nulls(column: pa.ChunkedArray, name: str, where: str) -> None:
    if column.null_count:
        raise DataError(
            f"Column {name!r} of {where} has {column.null_count} nulls; inputs must be complete: fill or drop them."
        )


def _in_words(type_: pa.DataType) -> str:
    return "text" if is_text(type_) else str(type_)


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_))


def _bytes(column: pa.ChunkedArray) -> np.ndarray:
    """The values in Arrow's buffer, shape (rows, width); not copied if there is one chunk."""
    width = column.type.byte_width
    chunks = [
        np.frombuffer(chunk.buffers()[1], np.uint8, len(chunk) * width, chunk.offset * width).reshape(-1, width)
        for chunk in column.chunks
    ]
    return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)


def _scaled(values: np.ndarray) -> np.ndarray:
    # A multiplication by 1/255 would differ in the last digit.
    scaled: np.ndarray = np.divide(values, np.float32(255), dtype=np.float32)
    return scaled


def _lists(column: pa.ChunkedArray, name: str, where: str) -> np.ndarray:
    if not _is_number(column.type.value_type):
        raise DataError(
            f"Column {name!r} of {where} holds lists of {_in_words(column.type.value_type)}; numbers are allowed."
        )
    if pa.types.is_fixed_size_list(column.type):
        width = column.type.list_size
    else:
        lengths = {len(entry) for chunk in column.chunks for entry in chunk}
        if len(lengths) > 1:
            raise DataError(
                f"The lists in column {name!r} of {where} have lengths from {min(lengths)} to "
                f"{max(lengths)}; they must all be of the same length."
            )
        width = lengths.pop() if lengths else 0
    if not width:
        raise DataError(f"The lists in column {name!r} of {where} are empty; they must hold at least one number.")
    values = pa.chunked_array([chunk.flatten() for chunk in column.chunks], column.type.value_type)
    if values.null_count:
        raise DataError(f"The lists in column {name!r} of {where} hold {values.null_count} nulls; fill or drop them.")
    matrix: np.ndarray = values.to_numpy().reshape(-1, width)
    return matrix


def _finite(values: np.ndarray, name: str, where: str) -> np.ndarray:
    """The values as float32, if all are finite."""
    with np.errstate(over="ignore"):
        matrix = values.astype(np.float32)
    bad = int(np.count_nonzero(~np.isfinite(matrix)))
    if bad:
        raise DataError(
            f"Column {name!r} of {where} holds {bad} values that are not finite (as 32-bit numbers); the loss would be "
            "NaN from the first step: fill or drop them."
        )
    return matrix
