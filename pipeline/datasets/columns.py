"""From Arrow columns to the arrays a network takes."""

import numpy as np
import pyarrow as pa

from pipeline.errors import DataError

__all__ = ["divided", "features", "one_hot", "scaled"]


def features(column: pa.ChunkedArray, name: str, where: str) -> np.ndarray:
    """A column of inputs as a matrix.

    Args:
        column: Numbers or truth values (one feature), lists of numbers that are all of the same length, or
            binary of a fixed size, of which each byte is a feature: 0..255 becomes 0..1.
        name: The column's name, for errors.
        where: What the column was read from, for errors.

    Returns:
        float32, shape (rows, features).

    Raises:
        DataError: The column is of another type, has nulls, has lists of differing lengths, or is not finite.
    """
    if column.null_count:
        raise DataError(
            f"Column {name!r} of {where} has {column.null_count} nulls; inputs must be complete: fill or drop them."
        )
    type_ = column.type
    if pa.types.is_fixed_size_binary(type_):
        return _scaled(_bytes(column))
    if pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_):
        return _finite(_lists(column, name, where), name, where)
    if _is_number(type_) or pa.types.is_boolean(type_):
        return _finite(column.to_numpy().reshape(-1, 1), name, where)
    raise DataError(
        f"Column {name!r} of {where} cannot be an input: it holds {type_}. Allowed are numbers, truth "
        "values, lists of numbers of one length, and binary of a fixed size (each byte a feature from 0 "
        "to 1)."
    )


def one_hot(codes: np.ndarray, classes: int) -> np.ndarray:
    """Class numbers as rows of zeros with a single one.

    Args:
        codes: Whole numbers from 0 to classes - 1, shape (rows,).
        classes: How many classes there are.

    Returns:
        float32, shape (rows, classes).
    """
    rows = np.zeros((len(codes), classes), np.float32)
    rows[np.arange(len(codes)), codes] = 1
    return rows


def scaled(columns: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Columns of numbers, each from 0 to 1 over the training rows; other rows may lie a little outside.

    Args:
        columns: Numbers, shape (rows, features).
        train: The training rows.

    Returns:
        float32, shape (rows, features).
    """
    low, high = columns[train].min(axis=0), columns[train].max(axis=0)
    placed: np.ndarray = (columns - low) / (high - low)
    return placed.astype(np.float32)


def divided(rows: int, classes: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three fifths of the rows to train on, a fifth to validate on and one to test on; by chance, the same each time.

    Args:
        rows: How many there are.
        classes: Each row's class: every part gets its share of each. None where there are none.

    Returns:
        The rows of the three parts, in ascending order.
    """
    from sklearn.model_selection import train_test_split

    def apart(whole: np.ndarray, size: int) -> list[np.ndarray]:
        share = None if classes is None else classes[whole]
        return [np.sort(part) for part in train_test_split(whole, test_size=size, random_state=0, stratify=share)]

    rest, test = apart(np.arange(rows), rows // 5)
    train, validation = apart(rest, rows // 5)
    return train, validation, test


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_))


def _bytes(column: pa.ChunkedArray) -> np.ndarray:
    """The values as they lie in Arrow's buffer, shape (rows, width); not copied where there is one chunk."""
    width = column.type.byte_width
    chunks = [
        np.frombuffer(chunk.buffers()[1], np.uint8, len(chunk) * width, chunk.offset * width).reshape(-1, width)
        for chunk in column.chunks
    ]
    return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)


def _scaled(values: np.ndarray) -> np.ndarray:
    # Divided, not multiplied by 1/255, which would be off in the last digit.
    scaled: np.ndarray = np.divide(values, np.float32(255), dtype=np.float32)
    return scaled


def _lists(column: pa.ChunkedArray, name: str, where: str) -> np.ndarray:
    if not _is_number(column.type.value_type):
        raise DataError(f"Column {name!r} of {where} holds lists of {column.type.value_type}; numbers are allowed.")
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
    """The values as float32, where each of them is one."""
    with np.errstate(over="ignore"):
        matrix = values.astype(np.float32)
    bad = int(np.count_nonzero(~np.isfinite(matrix)))
    if bad:
        raise DataError(
            f"Column {name!r} of {where} holds {bad} values that are not finite (as 32-bit numbers); the loss would be "
            "NaN from the first step: fill or drop them."
        )
    return matrix
