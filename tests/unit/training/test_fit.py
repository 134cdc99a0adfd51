from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, optimizers

from pipeline.space import Config
from pipeline.study import Resources
from pipeline.training.fit import FitTrainer
from pipeline.training.trainer import CompiledTrainer
from pipeline.training.workplace import Workplace
from tests.unit.training.going_on import CONFIG, everything
from tests.unit.training.kinds import rows_of_six, weighted
from tests.unit.training.test_callbacks import Heard
from tests.unit.training.training import job_of, weights_of

SEED = 4


def eager(config: Config) -> keras.Model:
    """The same model, run eagerly."""
    model = everything(config)
    model.compile(optimizers.Adam(config["lr"]), loss="sparse_categorical_crossentropy", run_eagerly=True)
    return model


class OwnFit(keras.Model):
    """A model that changes how it is fitted."""

    def __init__(self) -> None:
        super().__init__()
        self.last = layers.Dense(3, activation="softmax")

    def call(self, x: Any) -> Any:
        """One layer."""
        return self.last(x)

    def fit(self, *args: Any, **options: Any) -> Any:
        """Keras' fit, noted."""
        self.fitted = getattr(self, "fitted", 0) + 1
        return super().fit(*args, **options)


def own_fit(config: Config) -> keras.Model:
    """A model with a fit of its own."""
    model = OwnFit()
    model.compile(optimizers.SGD(0.1), loss="sparse_categorical_crossentropy", jit_compile=False)
    return model


def hearing(config: Config) -> list[Any]:
    """A callback that writes down what it hears."""
    return [Heard()]


def _trained(learner: Any, epochs: int = 2) -> tuple[list[Any], list[np.ndarray]]:
    metrics = [learner.run_epoch().metrics for _ in range(epochs)]
    learner.close()
    return metrics, weights_of(learner.model)


def _equal(a: tuple[list[Any], list[np.ndarray]], b: tuple[list[Any], list[np.ndarray]]) -> bool:
    return a[0] == b[0] and all(np.array_equal(x, y) for x, y in zip(a[1], b[1], strict=True))


def test_data_too_large_for_memory_give_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """Data that do not fit go through fit, batch by batch, with the same result; it is said once, and why."""
    job, data = job_of(everything, callbacks=hearing), weighted()
    expected = _trained(Workplace(job, data).learner(CONFIG, seed=SEED))
    heard = Heard.heard
    workplace = Workplace(job, data, memory=0)

    learner = workplace.learner(CONFIG, seed=SEED)
    assert isinstance(learner, FitTrainer)
    assert _equal(_trained(learner), expected)
    assert Heard.heard == heard

    workplace.learner(CONFIG, seed=SEED)
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("tunepipe:")]
    assert len(told) == 1
    assert "too large" in told[0]


def test_eager_models_go_through_fit(capsys: pytest.CaptureFixture[str]) -> None:
    """A model compiled with run_eagerly trains eagerly, on the same batches, and goes on from its state."""
    job, data = job_of(eager), rows_of_six()
    workplace = Workplace(job, data)
    learner: Any = workplace.learner(CONFIG, seed=SEED)
    assert "run_eagerly" in capsys.readouterr().out
    learner.run_epoch()
    state = learner.save()
    expected = _trained(learner, 1)

    compiled: Any = Workplace(job_of(everything), data).learner(CONFIG, seed=SEED)
    assert isinstance(compiled, CompiledTrainer)
    compiled.run_epoch()
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(state.arrays, compiled.save().arrays, strict=False))

    resumed: Any = Workplace(job, data).learner(CONFIG, seed=SEED)
    resumed.load(state)
    assert resumed.model_epoch == 1
    assert _equal(_trained(resumed, 1), expected)


def test_fit_of_its_own() -> None:
    """A model with a fit of its own is trained by it, one call for each epoch."""
    learner: Any = Workplace(job_of(own_fit), rows_of_six()).learner({}, seed=SEED)
    _trained(learner, 3)
    assert learner.model.fitted == 3


def test_mirrored_strategy() -> None:
    """A trial under MirroredStrategy, here of one device, learns what a trial without it learns, and goes on."""
    data = rows_of_six()
    job = job_of(everything, resources=Resources(strategy="mirrored"))
    workplace = Workplace(job, data)
    learner: Any = workplace.learner(CONFIG, seed=SEED)
    assert learner.model.distribute_strategy.num_replicas_in_sync == 1
    first = learner.run_epoch().metrics
    state = learner.save()
    second = _trained(learner, 1)

    alone = _trained(Workplace(job_of(everything), data).learner(CONFIG, seed=SEED))
    for found, expected in zip([first, *second[0]], alone[0], strict=True):
        assert found == pytest.approx(expected, abs=1e-5)

    resumed: Any = workplace.learner(CONFIG, seed=SEED)
    resumed.load(state)
    assert _equal(_trained(resumed, 1), second)
