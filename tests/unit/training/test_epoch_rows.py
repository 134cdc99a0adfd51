"""The order of rows and the steps of an epoch follow from numbers alone."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.training.arrays import order_of, span_of, steps_of


@pytest.mark.parametrize(("rows", "batch_size", "steps"), [(10, 5, 2), (11, 5, 3), (4, 5, 1)])
def test_steps(rows: int, batch_size: int, steps: int) -> None:
    """The last step of an epoch takes the remaining rows."""
    assert steps_of(rows, batch_size) == steps


@given(rows=st.integers(1, 200), seed=st.integers(0, 2**31 - 1), epoch=st.integers(0, 1000))
def test_the_order_of_rows_follows_from_seed_and_epoch(rows: int, seed: int, epoch: int) -> None:
    """The order of the rows is a permutation that depends on seed and epoch alone, so no iterator is saved."""
    order = order_of(rows, seed, epoch)
    assert sorted(order) == list(range(rows))
    assert order.dtype == np.int32
    np.testing.assert_array_equal(order, order_of(rows, seed, epoch))


def test_orders_of_epochs_and_seeds_differ() -> None:
    """The order of the rows differs between epochs and between seeds."""
    orders = {order_of(50, seed, epoch).tobytes() for seed in range(3) for epoch in range(5)}
    assert len(orders) == 15


@pytest.mark.parametrize(
    ("epoch", "steps_per_epoch", "span"),
    [
        (0, None, (0, 0, 6)),
        (3, None, (3, 0, 6)),
        (0, 4, (0, 0, 4)),
        (1, 4, (0, 4, 6)),
        (2, 4, (1, 0, 4)),
        (1, 9, (1, 0, 6)),
    ],
)
def test_an_epoch_begins_where_the_previous_one_ended(
    epoch: int, steps_per_epoch: int | None, span: tuple[int, int, int]
) -> None:
    """With a maximum of steps, an epoch continues the pass of the previous one and ends with it at the latest."""
    assert span_of(epoch, 6, steps_per_epoch) == span
