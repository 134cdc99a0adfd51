from typing import Any

import numpy as np
import pytest

from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.kinds import KINDS
from tests.unit.training.training import fitted_by_epochs, job_of, weights_of

EPOCHS, SEED = 2, 3

_EVERY_TIME = {
    "dict inputs, L2, clipnorm",
    "two outputs, weights of each",
    "subclassed, sample weights, Adagrad",
    "train_step of its own, Ftrl",
    "AUC, Adamax, learning rate schedule",
    "augmentation, convolution, BatchNormalization, Dropout",
    "Embedding, LSTM with dropout, Adadelta",
}
"""One for each form of inputs, outputs, weights, steps, metrics and states; `make test-all` tries all kinds."""


@pytest.mark.parametrize(
    "name", [name if name in _EVERY_TIME else pytest.param(name, marks=pytest.mark.long) for name in KINDS]
)
def test_equals_fit(name: str) -> None:
    """The compiled epoch gives the metrics and the weights of Keras' own fit, to the last digit."""
    kind = KINDS[name]
    job, data = job_of(kind.build, batch_size=kind.batch_size), kind.data()
    model, history = fitted_by_epochs(job, data, seed=SEED, epochs=EPOCHS)
    learner: Any = TrainerFactory(job, data).learner({}, seed=SEED)

    epochs = [learner.run_epoch().metrics for _ in range(EPOCHS)]
    learner.close()

    assert {name: [metrics[name] for metrics in epochs] for name in epochs[0]} == history
    pairs = zip(weights_of(learner.model), weights_of(model), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
