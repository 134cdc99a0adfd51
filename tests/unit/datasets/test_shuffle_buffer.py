"""Rows in a random order without all of them in memory."""

import numpy as np
import pytest

from pipeline.datasets.shuffle_buffer import batches, shuffle


def _blocks(*sizes: int) -> list[list[np.ndarray]]:
    rows = np.arange(sum(sizes))
    parts = np.split(rows, np.cumsum(sizes)[:-1])
    return [[part * 2, part[:, None] * 3.0] for part in parts]


@pytest.mark.parametrize("capacity", [1, 7, 60, 61, 1000])
def test_each_row_goes_out_once_and_stays_whole(capacity: int) -> None:
    """Every row leaves the buffer exactly once, together with all its parts."""
    out = list(shuffle(_blocks(10, 1, 30, 20), capacity, np.random.default_rng(0)))
    first, second = (np.concatenate([block[place] for block in out]) for place in (0, 1))
    assert sorted(first // 2) == list(range(61))
    assert np.array_equal(first * 1.5, second[:, 0])


def test_the_order_is_random_and_that_of_the_seed() -> None:
    """The order depends on the seed alone, and rows move far if the buffer is large."""
    orders = [
        np.concatenate([block[0] for block in shuffle(_blocks(300, 300), 200, np.random.default_rng(seed))])
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])
    assert np.mean(np.abs(orders[0] // 2 - np.arange(600))) > 50


def test_batches_have_a_size_and_the_last_one_the_rest() -> None:
    """Batches have the requested size for any blocks, and the last one has the remaining rows."""
    found = [block[0] for block in batches(_blocks(3, 9, 1, 10), 5)]
    assert [len(rows) for rows in found] == [5, 5, 5, 5, 3]
    assert np.array_equal(np.concatenate(found), np.arange(23) * 2)
