import random
from typing import Any

import keras
import numpy as np

from pipeline.training.workplace import Workplace
from tests.unit.training.going_on import full
from tests.unit.training.kinds import rows_of_six
from tests.unit.training.training import job_of


def _first(workplace: Workplace, seed: int) -> tuple[Any, list[np.ndarray]]:
    """Metrics of a trial's first epoch, and its weights before it."""
    learner: Any = workplace.learner({"lr": 0.1}, seed=seed)
    weights = learner.model.get_weights()
    metrics = learner.run_epoch().metrics
    learner.close()
    return metrics, weights


def test_seed_and_config_alone_matter() -> None:
    """The same seed gives the same, whatever was drawn or built in this process before; another seed gives another."""
    workplace = Workplace(job_of(full), rows_of_six())
    metrics, weights = _first(workplace, seed=1)

    random.seed(77)
    np.random.seed(77)
    keras.layers.Dense(3).build((1, 2))
    workplace.learner({"lr": 0.3, "dropout": 0.1}, seed=5).run_epoch()
    for again in (workplace, Workplace(job_of(full), rows_of_six())):
        found, start = _first(again, seed=1)
        assert found == metrics
        assert all(np.array_equal(a, b) for a, b in zip(start, weights, strict=True))

    found, start = _first(workplace, seed=2)
    assert found != metrics
    assert not np.array_equal(start[0], weights[0])
