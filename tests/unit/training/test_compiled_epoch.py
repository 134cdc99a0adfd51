from typing import Any

import keras
import numpy as np
import pytest

from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.model_kinds import KINDS, rows_of_six
from tests.unit.training.reference_training import fitted_by_epochs, job_of, weights_of

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


class Returning(keras.Model):
    """A model whose step returns numbers, text and None beside its metrics."""

    def train_step(self, data: Any) -> Any:
        """Train as Keras does."""
        return {**super().train_step(data), "nothing": None, "number": 3.5, "text": "a"}


def test_a_step_may_return_none_numbers_and_text(capsys: pytest.CaptureFixture[str]) -> None:
    """A value from a step that is not a tensor is a metric if it is a number; others are left out with a message."""

    def build(config: Any) -> keras.Model:
        x = keras.Input((6,))
        model = Returning(x, keras.layers.Dense(3, activation="softmax")(x))
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    metrics = TrainerFactory(job_of(build), rows_of_six()).learner({}, seed=SEED).run_epoch().metrics
    assert sorted(metrics) == ["loss", "number", "val_loss"]
    assert metrics["number"] == 3.5
    assert "nothing is None, None, and is not recorded" in capsys.readouterr().out
