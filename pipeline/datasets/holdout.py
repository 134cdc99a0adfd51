"""The rows of a user's data that are held out for validation: a fifth, by their number alone."""

import numpy as np

_BLOCK = 2**22
"""Rows that are permuted together, so that the rows of files larger than memory can be divided."""


def holdout_mask(rows: int) -> np.ndarray:
    """Which rows are held out: a fifth of each block of 4,194,304 rows, chosen at random, always the same."""
    held = np.zeros(rows, bool)
    for block, start in enumerate(range(0, rows, _BLOCK)):
        size = min(_BLOCK, rows - start)
        order = np.random.default_rng([rows, block] if block else rows).permutation(size)
        held[start + order[: size // 5]] = True
    return held
