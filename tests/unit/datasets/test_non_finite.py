"""Numbers of a data set that are NaN or infinite."""

import numpy as np

from pipeline.datasets import Dataset, Split
from pipeline.datasets.non_finite import non_finite


def test_numbers_that_are_not_finite_are_counted_for_each_part() -> None:
    """NaN and infinite numbers are counted for each part of each split, over all inputs."""
    x, y = np.ones((6, 2), np.float32), np.ones((6, 1))
    holes, gaps = x.copy(), y.copy()
    holes[0, 0], holes[5, 1], gaps[3] = np.nan, np.inf, -np.inf
    data = Dataset("d", Split({"a": holes, "b": holes}, y), Split({"a": x, "b": x}, gaps))
    assert non_finite(data) == {"inputs of train": 4, "targets of validation": 1}


def test_all_rows_of_a_large_array_are_examined() -> None:
    """Numbers that are not finite are found in the first and in the last rows of an array of several blocks."""
    x = np.zeros((5, 2**21), np.float16)
    x[[0, 4], [7, -1]] = np.nan
    assert non_finite(Dataset("d", Split(x, np.zeros(5)))) == {"inputs of train": 2}


def test_whole_numbers_and_text_are_finite() -> None:
    """Whole numbers and text count as finite."""
    split = Split({"a": np.array(["x", "y"], object), "b": np.arange(2)}, np.arange(2))
    assert non_finite(Dataset("d", split, split)) == {}
