"""Rows that are held out for validation."""

import numpy as np

from pipeline.datasets.held_out import held_out


def test_the_same_fifth_each_time() -> None:
    """The number of rows alone determines which fifth of them is held out."""
    rows = held_out(1003)
    assert rows.sum() == 200
    assert np.array_equal(rows, held_out(1003))
    assert not np.array_equal(rows[:1002], held_out(1002))


def test_each_block_loses_a_fifth() -> None:
    """In a set of more than 4,194,304 rows, a different fifth of each block of that size is held out."""
    blocks = held_out(2**23 + 10)[: 2**23].reshape(2, 2**22)
    assert blocks.sum(axis=1).tolist() == [2**22 // 5] * 2
    assert not np.array_equal(blocks[0], blocks[1])
