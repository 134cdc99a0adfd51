"""Arrow columns as arrays of a network."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from pipeline.datasets.column_arrays import features
from pipeline.errors import DataError


def _column(values: Any, type_: pa.DataType | None = None, chunks: int = 2) -> pa.ChunkedArray:
    step = max(1, -(-len(values) // chunks))
    parts = [values[start : start + step] for start in range(0, len(values), step)]
    return pa.chunked_array([pa.array(part, type_) for part in parts], type_)


@given(values=st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=20), chunks=st.integers(1, 3))
def test_numbers_are_one_feature(values: list[float], chunks: int) -> None:
    """A numeric column is one feature of 32-bit numbers in row order, for any number of chunks."""
    matrix = features(_column(values, pa.float64(), chunks), "x", "the file")
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, np.array(values, np.float32)[:, None])


@pytest.mark.parametrize(
    ("values", "type_", "expected"),
    [
        ([True, False, True], pa.bool_(), [[1], [0], [1]]),
        ([1, -2, 3], pa.int8(), [[1], [-2], [3]]),
        ([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int16()), [[1, 2], [3, 4], [5, 6]]),
        ([[1, 2], [3, 4], [5, 6]], pa.list_(pa.float64(), 2), [[1, 2], [3, 4], [5, 6]]),
        ([[0.5], [1.5], [2.5]], pa.large_list(pa.float32()), [[0.5], [1.5], [2.5]]),
        ([b"\x00\xff", b"\x33\x66", b"\xff\x00"], pa.binary(2), [[0, 1], [0.2, 0.4], [1, 0]]),
    ],
)
def test_a_column_is_a_matrix(values: list[Any], type_: pa.DataType, expected: list[list[float]]) -> None:
    """Booleans are 0 and 1; a list has a feature for each number, binary one for each byte, from 0 to 1."""
    for chunks in (1, 2):
        matrix = features(_column(values, type_, chunks), "x", "the file")
        np.testing.assert_array_equal(matrix, np.array(expected, np.float32))


def test_a_slice_of_a_column_has_its_own_rows() -> None:
    """Binary values are read from Arrow's buffer, where a slice begins at an offset."""
    column = _column([b"\x00", b"\x33", b"\xff"], pa.binary(1), 1).slice(1)
    np.testing.assert_array_equal(features(column, "x", "it"), np.array([[0.2], [1]], np.float32))


@pytest.mark.parametrize(
    ("values", "type_", "words"),
    [
        ([1, None, None], pa.int64(), "Column 'x' of the file has 2 nulls; inputs must be complete"),
        (["a", "b"], pa.string(), "cannot be an input: it holds text. Allowed are numbers"),
        ([1.0, float("nan"), float("inf")], pa.float64(), "holds 2 values that are not finite"),
        ([1.0, 1e300], pa.float64(), "holds 1 values that are not finite (as 32-bit numbers)"),
        ([[1], [2, 3]], pa.list_(pa.int8()), "have lengths from 1 to 2; they must all be of the same length"),
        ([[], []], pa.list_(pa.int8()), "are empty; they must hold at least one number"),
        ([[1, None], [2, 3]], pa.list_(pa.int8()), "hold 1 nulls; fill or drop them"),
        ([["a"], ["b"]], pa.list_(pa.string()), "holds lists of text; numbers are allowed"),
    ],
)
def test_columns_that_no_network_can_use_are_refused(values: list[Any], type_: pa.DataType, words: str) -> None:
    """A column that no network can use is refused with its name, the file, the value found and the allowed ones."""
    with pytest.raises(DataError) as refused:
        features(_column(values, type_), "x", "the file")
    assert words in str(refused.value)
    assert "'x' of the file" in str(refused.value)
