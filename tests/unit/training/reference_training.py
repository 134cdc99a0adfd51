"""Training in the tests: a job around a model function, and the same training through Keras' own fit."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from pipeline.datasets import Dataset
from pipeline.space import Config
from pipeline.study import Budget, Objective, TuneJob
from pipeline.training.arrays import as_batch, first_inputs as example_of, order_of
from pipeline.training.build import build_callbacks, build_model


def job_of(model: Callable[..., Any], **fields: Any) -> TuneJob:
    """A job around a model; keyword arguments are its other fields."""
    defaults = {
        "name": "t",
        "model": model,
        "data": "digits",
        "space": {"x": 1},
        "objectives": [Objective("val_loss", "min")],
        "batch_size": 8,
        "budget": Budget(epochs=8),
    }
    return TuneJob(**{**defaults, **fields})


def fitted_by_epochs(
    job: TuneJob, data: Dataset, *, seed: int, epochs: int, config: Config | None = None
) -> tuple[keras.Model, dict[str, Any]]:
    """Train the job's model by one call of fit for each epoch, on arrays in the order that the trainer takes."""
    model = build_model(job, config or {}, seed=seed, example=lambda: example_of(data.train))
    history: dict[str, list[float]] = {}
    train, validation = as_batch(data.train), as_batch(data.validation)
    finalize, model.optimizer.finalize_variable_values = model.optimizer.finalize_variable_values, lambda _: None
    for epoch in range(epochs):
        order = order_of(data.train.rows, seed, epoch)
        x, y, *weight = keras.tree.map_structure(lambda array, order=order: array[order], train)
        reported = model.fit(
            x,
            y,
            sample_weight=weight[0] if weight else None,
            batch_size=job.batch_size,
            validation_data=validation,
            shuffle=False,
            verbose=0,
        )
        for name, values in reported.history.items():
            history.setdefault(name, []).extend(values)
    finalize(model.trainable_variables)
    return model, history


def fitted(
    job: TuneJob, data: Dataset, *, seed: int, epochs: int, config: Config | None = None
) -> tuple[keras.Model, dict[str, Any]]:
    """Train the job's model by one call of fit, with the job's callbacks, over the batches that the trainer takes."""
    config = config or {}
    model = build_model(job, config, seed=seed, example=lambda: example_of(data.train))
    rows = Rows(as_batch(data.train), data.train.rows, job.batch_size, seed)
    reported = model.fit(
        rows,
        epochs=epochs,
        shuffle=False,
        validation_data=as_batch(data.validation),
        validation_batch_size=job.batch_size,
        callbacks=[
            keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, _logs: setattr(rows, "epoch", epoch)),
            *build_callbacks(job, config, seed=seed),
        ],
        verbose=0,
    )
    return model, reported.history


class Rows(keras.utils.PyDataset):
    """The batches of the trainer's epochs, from arrays in memory."""

    def __init__(self, arrays: Any, rows: int, batch_size: int, seed: int) -> None:
        super().__init__()
        self._arrays, self._count, self._size, self._seed = arrays, rows, batch_size, seed
        self.epoch = 0

    def __len__(self) -> int:
        return -(-self._count // self._size)

    def __getitem__(self, index: int) -> Any:
        order = order_of(self._count, self._seed, self.epoch)
        picked = order[index * self._size : (index + 1) * self._size]
        return keras.tree.map_structure(lambda array: array[picked], self._arrays)


def weights_of(model: keras.Model) -> list[np.ndarray]:
    """The values of all variables of a model, seed generators included."""
    return [keras.ops.convert_to_numpy(variable) for variable in model.variables]
