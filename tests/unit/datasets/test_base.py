"""What every data set is."""

import numpy as np
import pytest

from pipeline.datasets import Dataset, Split, leaves
from pipeline.errors import DataError


def test_a_split_counts_its_rows() -> None:
    """With one array or several inputs, rows are counted once."""
    two = {"left": np.zeros((5, 2)), "right": np.zeros((5, 3))}
    assert Split(np.zeros((4, 2)), np.zeros(4)).rows == 4
    assert Split(two, (np.zeros(5), np.zeros(5)), np.ones(5)).rows == 5


def test_arrays_of_a_split_go_together() -> None:
    """Inputs, targets or weights of differing lengths are refused, and the lengths told."""
    with pytest.raises(DataError, match=r"same number of rows; found \[3, 4\]"):
        Split(np.zeros((4, 2)), np.zeros(3))
    with pytest.raises(DataError, match=r"found \[4, 5\]"):
        Split(np.zeros((4, 2)), np.zeros(4), np.ones(5))


def test_leaves_come_in_order() -> None:
    """Nested dicts and tuples are walked in their order; nothing is left out, None is no array."""
    a, b, c = np.zeros(1), np.zeros(2), np.zeros(3)
    assert [len(leaf) for leaf in leaves(({"x": a, "y": (b, c)}, None, a))] == [1, 2, 3, 1]


def test_size_counts_every_array() -> None:
    """A data set's size is that of its inputs, targets and weights, in all splits it has."""
    split = Split(np.zeros((4, 2), np.float32), np.zeros(4, np.float32), np.ones(4, np.float32))
    assert Dataset("d", split, split).bytes == 2 * (32 + 16 + 16)
    assert Dataset("d", split, split, split).bytes == 3 * (32 + 16 + 16)
