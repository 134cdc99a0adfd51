"""Rows that are held out for validation."""

import numpy as np

from pipeline.datasets.holdout import holdout_mask


def test_the_same_fifth_each_time() -> None:
    """The number of rows alone determines which fifth of them is held out."""
    rows = holdout_mask(1003)
    assert rows.sum() == 200
    assert np.array_equal(rows, holdout_mask(1003))
    assert not np.array_equal(rows[:1002], holdout_mask(1002))


def test_each_block_loses_a_fifth() -> None:
    """In a set of more than 4,194,304 rows, a different fifth of each block of that size is held out."""
    blocks = holdout_mask(2**23 + 10)[: 2**23].reshape(2, 2**22)
    assert blocks.sum(axis=1).tolist() == [2**22 // 5] * 2
    assert not np.array_equal(blocks[0], blocks[1])
