"""How many numbers of a data set are NaN or infinite."""

import numpy as np

from pipeline.datasets.base import Dataset, leaves

_NUMBERS = 2**22
"""Numbers that are examined at a time, so that large arrays need little memory."""


def non_finite(data: Dataset) -> dict[str, int]:
    """Where the arrays of a data set have numbers that are NaN or infinite."""
    return {
        f"{part} of {name}": count
        for name, split in data.arrays.items()
        for part, arrays in (("inputs", split.x), ("targets", split.y), ("weights", split.weight))
        if (count := sum(map(_count, leaves(arrays))))
    }


def _count(array: np.ndarray) -> int:
    if array.dtype.kind != "f" or not array.size:
        return 0
    rows = max(1, _NUMBERS // max(1, array.size // len(array)))
    return sum(int(np.count_nonzero(~np.isfinite(array[begin : begin + rows]))) for begin in range(0, len(array), rows))
