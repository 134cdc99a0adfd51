"""Training in the tests: a job around a model function, epochs of a learner, and the same by Keras' own fit."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from pipeline.datasets import Dataset, Split, batches_of
from pipeline.space import Config
from pipeline.storage import Checkpoint, pack, unpack
from pipeline.study import Budget, Objective, TuneJob
from pipeline.training.arrays import as_batch, order_of
from pipeline.training.build import build_callbacks
from pipeline.training.data import load_data
from pipeline.training.internals import ordered_sums
from pipeline.training.process import seed_generators
from pipeline.training.trainer_factory import TrainerFactory

SEED = 3
CALLS: list[Any] = []
"""What a test records of the calls of its functions."""


def job_of(model: Callable[..., Any], **fields: Any) -> TuneJob:
    defaults: dict[str, Any] = {
        "name": "t",
        "model": model,
        "data": "digits",
        "space": {"x": 1},
        "objectives": [Objective("val_loss", "min")],
        "batch_size": 8,
        "budget": Budget(epochs=8),
    }
    return TuneJob(**{**defaults, **fields})


def epochs_of(learner: Any, count: int) -> list[dict[str, float]]:
    return [dict(learner.run_epoch().metrics) for _ in range(count)]


def read_back(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint as it is read from a file."""
    return unpack(b"".join(bytes(piece) for piece in pack(checkpoint)), "a checkpoint")


def weights_of(model: keras.Model) -> list[np.ndarray]:
    """The values of all variables of a model, seed generators included."""
    return [keras.ops.convert_to_numpy(variable) for variable in model.variables]


def same(found: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, expected, strict=True))


def resumes_exactly(
    factory: TrainerFactory, config: Config, *, epochs: int = 4, after: int = 2, again: TrainerFactory | None = None
) -> list[dict[str, float]]:
    """Assert that a trial which is interrupted continues as one that is not, and return its epochs."""
    whole: Any = factory.learner(config, seed=SEED)
    expected = epochs_of(whole, after)
    state = read_back(whole.save())
    expected += epochs_of(whole, epochs - after)
    weights = [np.array(each) for member in getattr(whole, "members", [whole]) for each in weights_of(member.model)]
    # A later trial takes its traces over.
    whole.close()
    other = again or factory
    # Something else was trained here before.
    other.learner(config, seed=SEED + 1).close()
    resumed: Any = other.learner(config, seed=SEED)
    resumed.load(state)
    assert epochs_of(resumed, epochs - after) == expected[after:]
    assert same(
        [each for member in getattr(resumed, "members", [resumed]) for each in weights_of(member.model)], weights
    )
    return expected


def fitted(
    job: TuneJob, data: Dataset | None, *, epochs: int, config: Config | None = None, **arguments: Any
) -> tuple[keras.Model, dict[str, Any]]:
    """Train the job's model by one call of fit, with the job's callbacks, over the batches that a trainer takes.

    Each epoch begins with the seeds of a trial's.
    """
    config = config or {}
    model = TrainerFactory(job, data, memory=1e9).build(config, seed=SEED)
    loaded = data or load_data(job)
    assert loaded is not None
    train: Any = loaded.train
    if isinstance(train, Split):
        train = Rows(as_batch(train), train.rows, job.batch_size, shuffle=job.fit.shuffle)
    elif batches_of(train) is None:
        # With one step for each call, fit begins a step after the last batch, which fails, but counts in the optimiser.
        model.steps_per_execution = 16
    validation = loaded.validation
    size = {"validation_batch_size": job.batch_size} if isinstance(validation, Split) else {}

    def begin(epoch: int, _logs: Any) -> None:
        seed_generators(SEED, f"epoch {epoch}")
        if isinstance(train, Rows):
            train.epoch = epoch

    with ordered_sums():
        reported = model.fit(
            train,
            epochs=epochs,
            shuffle=not isinstance(loaded.train, Split) and job.fit.shuffle,
            validation_data=as_batch(validation) if isinstance(validation, Split) else validation,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_begin=begin), *build_callbacks(job, config, seed=SEED)],
            verbose=0,
            **size,
            **arguments,
        )
    return model, reported.history


def equals_fit(learner: Any, model: keras.Model, history: dict[str, Any], epochs: int, *, rel: float = 0.0) -> None:
    """Assert that a learner has the metrics and the weights of a call of fit, to the last digit without `rel`."""
    found = epochs_of(learner, epochs)
    learner.close()
    expected = [
        {name: values[epoch] for name, values in history.items() if name != "learning_rate"} for epoch in range(epochs)
    ]
    if rel:
        assert found == [{name: _approximately(value, rel) for name, value in each.items()} for each in expected]
        pairs = zip(weights_of(learner.model), weights_of(model), strict=True)
        assert all(np.allclose(a, b, rtol=rel, atol=1e-7) for a, b in pairs)
    else:
        assert found == expected
        assert same(weights_of(learner.model), weights_of(model))


def _approximately(value: float, rel: float) -> Any:
    import pytest

    return pytest.approx(value, rel=rel)


class Rows(keras.utils.PyDataset):
    """The batches of the trainer's epochs, from arrays in memory."""

    def __init__(self, arrays: Any, rows: int, batch_size: int, *, shuffle: bool = True) -> None:
        super().__init__()
        self._arrays, self._count, self._size, self._shuffle = arrays, rows, batch_size, shuffle
        self.epoch = 0

    def __len__(self) -> int:
        return -(-self._count // self._size)

    def __getitem__(self, index: int) -> Any:
        order = order_of(self._count, SEED, self.epoch) if self._shuffle else np.arange(self._count)
        picked = order[index * self._size : (index + 1) * self._size]
        return keras.tree.map_structure(lambda array: array[picked], self._arrays)
