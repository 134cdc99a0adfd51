from typing import Any

import numpy as np
import pytest

from pipeline.training.epoch import steps_of
from pipeline.training.workplace import Workplace
from tests.unit.training.kinds import KINDS
from tests.unit.training.training import fitted_by_epochs, job_of, weights_of

EPOCHS, SEED = 2, 3


@pytest.mark.parametrize("name", list(KINDS))
def test_equals_fit(name: str) -> None:
    """The compiled epoch gives the metrics and the weights of Keras' own fit, to the last digit."""
    kind = KINDS[name]
    job, data = job_of(kind.build, batch_size=kind.batch_size), kind.data()
    model, history = fitted_by_epochs(job, data, seed=SEED, epochs=EPOCHS)
    learner: Any = Workplace(job, data).learner({}, seed=SEED)

    found = [learner.run_epoch().metrics for _ in range(EPOCHS)]
    learner.close()

    assert {name: [metrics[name] for metrics in found] for name in found[0]} == history
    pairs = zip(weights_of(learner.model), weights_of(model), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(("rows", "batch_size", "steps"), [(10, 5, 2), (11, 5, 3), (4, 5, 1)])
def test_steps(rows: int, batch_size: int, steps: int) -> None:
    """The last step of an epoch takes the rows that are left."""
    assert steps_of(rows, batch_size) == steps
