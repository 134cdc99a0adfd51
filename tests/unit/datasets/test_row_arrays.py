"""Arrays of rows for training."""

import numpy as np
from hypothesis import given, strategies as st

from pipeline.datasets.row_arrays import one_hot, scale_columns, split_rows


def test_classes_are_one_hot() -> None:
    """One-hot targets have a column for each class, even for a class without rows."""
    rows = one_hot(np.array([2, 0, 2]), 4)
    assert rows.dtype == np.float32
    assert rows.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 1, 0]]


def test_columns_are_scaled_by_the_training_rows() -> None:
    """Training rows are scaled to the range from 0 to 1, and other rows may be outside of it."""
    columns = np.array([[1.0, 10.0], [3.0, 30.0], [5.0, 0.0]])
    assert scale_columns(columns, np.array([0, 1])).tolist() == [[0, 0], [1, 1], [2, -0.5]]


@given(rows=st.integers(20, 200), classes=st.booleans())
def test_every_row_is_in_one_part(rows: int, classes: bool) -> None:
    """A fifth of each class validates and a fifth tests, in ascending order, the same rows each time."""
    codes = np.arange(rows) % 2 if classes else None
    parts = split_rows(rows, codes)
    assert sorted(np.concatenate(parts)) == list(range(rows))
    assert len(parts[1]) == len(parts[2]) == rows // 5
    assert all((np.diff(part) > 0).all() for part in parts)
    assert all((one == other).all() for one, other in zip(parts, split_rows(rows, codes), strict=True))
    if codes is not None:
        assert all(abs(codes[part].mean() - 0.5) < 0.51 / len(part) + 0.1 for part in parts)
