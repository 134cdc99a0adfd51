from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.epoch import order_of, steps_of
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.kinds import KINDS
from tests.unit.training.training import fitted_by_epochs, job_of, weights_of

EPOCHS, SEED = 2, 3


@pytest.mark.parametrize("name", list(KINDS))
def test_equals_fit(name: str) -> None:
    """The compiled epoch gives the metrics and the weights of Keras' own fit, to the last digit."""
    kind = KINDS[name]
    job, data = job_of(kind.build, batch_size=kind.batch_size), kind.data()
    model, history = fitted_by_epochs(job, data, seed=SEED, epochs=EPOCHS)
    learner: Any = TrainerFactory(job, data).learner({}, seed=SEED)

    found = [learner.run_epoch().metrics for _ in range(EPOCHS)]
    learner.close()

    assert {name: [metrics[name] for metrics in found] for name in found[0]} == history
    pairs = zip(weights_of(learner.model), weights_of(model), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(("rows", "batch_size", "steps"), [(10, 5, 2), (11, 5, 3), (4, 5, 1)])
def test_steps(rows: int, batch_size: int, steps: int) -> None:
    """The last step of an epoch takes the rows that are left."""
    assert steps_of(rows, batch_size) == steps


@given(rows=st.integers(1, 200), seed=st.integers(0, 2**31 - 1), epoch=st.integers(0, 1000))
def test_the_order_of_rows_follows_from_seed_and_epoch(rows: int, seed: int, epoch: int) -> None:
    """A permutation that is the same each time: there is no iterator to save."""
    order = order_of(rows, seed, epoch)
    assert sorted(order) == list(range(rows))
    assert order.dtype == np.int32
    np.testing.assert_array_equal(order, order_of(rows, seed, epoch))


def test_orders_of_epochs_and_seeds_differ() -> None:
    """The order of the rows differs between epochs and between seeds."""
    orders = {order_of(50, seed, epoch).tobytes() for seed in range(3) for epoch in range(5)}
    assert len(orders) == 15
