import random
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from pipeline.datasets import Dataset, Split
from pipeline.errors import ModelError
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.interrupted_trials import full
from tests.unit.training.model_kinds import rows_of_six
from tests.unit.training.reference_training import job_of


def _first(trainer_factory: TrainerFactory, seed: int) -> tuple[Any, list[np.ndarray]]:
    """Metrics of a trial's first epoch, and its weights before it."""
    learner: Any = trainer_factory.learner({"lr": 0.1}, seed=seed)
    weights = learner.model.get_weights()
    metrics = learner.run_epoch().metrics
    learner.close()
    return metrics, weights


def test_only_seed_and_config_matter() -> None:
    """The same seed and config give the same result whatever this process drew or built before."""
    trainer_factory = TrainerFactory(job_of(full), rows_of_six())
    metrics, weights = _first(trainer_factory, seed=1)

    random.seed(77)
    np.random.seed(77)
    keras.layers.Dense(3).build((1, 2))
    trainer_factory.learner({"lr": 0.3, "dropout": 0.1}, seed=5).run_epoch()
    for again in (trainer_factory, TrainerFactory(job_of(full), rows_of_six())):
        found, start = _first(again, seed=1)
        assert found == metrics
        assert all(np.array_equal(a, b) for a, b in zip(start, weights, strict=True))

    found, start = _first(trainer_factory, seed=2)
    assert found != metrics
    assert not np.array_equal(start[0], weights[0])


def test_a_model_without_call_needs_parts_that_are_built() -> None:
    """A model without call() whose part is not built is refused with the part's name."""

    class Parts(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = layers.Dense(2, name="encoder")

    def build(config: Mapping[str, Any]) -> keras.Model:
        model = Parts()
        model.compile("adam")
        return model

    with pytest.raises(ModelError, match=r"without call\(\), and its parts encoder are not built"):
        TrainerFactory(job_of(build), Dataset("inputs", Split(np.ones((24, 6), np.float32)))).learner({}, seed=3)
