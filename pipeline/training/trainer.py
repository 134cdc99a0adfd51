"""One trial of a Keras model: build → run epochs → evaluate → save and load, with the epoch compiled."""

import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.study import TuneJob
from pipeline.training.base import EpochResult
from pipeline.training.build import build_callbacks, build_model
from pipeline.training.callbacks import Callbacks
from pipeline.training.epoch import steps_of
from pipeline.training.resident import Resident
from pipeline.training.state import describe, load_variables, save_variables, variables_of
from pipeline.training.traces import Traces, functions

__all__ = ["Trainer", "as_numbers", "order_of"]


def order_of(rows: int, seed: int, model_epoch: int) -> np.ndarray:
    """The order of the rows in an epoch: from the seed and the epoch alone, so that there is no iterator to save.

    Args:
        rows: Number of rows.
        seed: The trial's seed.
        model_epoch: Age of the weights before the epoch, from 0.

    Returns:
        A permutation, int32, shape (rows,).
    """
    return np.random.default_rng([seed, model_epoch]).permutation(rows).astype(np.int32)


class Trainer:
    """A model in training, its epochs compiled.

    Args:
        job: The study's job.
        config: The trial's config.
        data: The data, resident in this process.
        traces: The traces of this process.
        seed: Where initial weights and shuffling come from.

    Raises:
        ModelError: What build_model or callbacks return cannot be used.
    """

    def __init__(self, job: TuneJob, config: Config, data: Resident, traces: Traces, *, seed: int) -> None:
        started = time.perf_counter()
        self._data, self._seed = data, seed
        self._batch_size = int(config.get("batch_size", job.batch_size))
        self._gpu = bool(tf.config.list_logical_devices("GPU"))
        built = build_model(job, config, seed=seed, example=data.example)
        make = functions(
            data.train, data.validation, (data.rows, data.validation_rows), self._batch_size, jit_compile=self._gpu
        )
        self._trace = traces.of(built, make, f"{self._batch_size} {data.signature}")
        self._model = self._trace.model
        self._steps = steps_of(data.rows, self._batch_size)
        self._callbacks = Callbacks(
            build_callbacks(job, config), self._model, epochs=job.budget.epochs, steps=self._steps
        )
        self._per_batch = self._callbacks.per_batch
        self.model_epoch = 0
        self._seconds_build = time.perf_counter() - started

    @property
    def model(self) -> keras.Model:
        """The model in training."""
        return self._model

    def run_epoch(self) -> EpochResult:
        """Train one epoch and evaluate on the validation split."""
        index, model, callbacks = self.model_epoch, self._model, self._callbacks
        callbacks.epoch_begin(index)
        seconds_build = self._prepare()
        started = time.perf_counter()
        model.reset_metrics()
        order = tf.constant(order_of(self._data.rows, self._seed, index))
        logs = as_numbers(model._get_metrics_result_or_logs(self._train(order)))
        trained = time.perf_counter()
        callbacks.test_begin()
        model.reset_metrics()
        steps = steps_of(self._data.validation_rows, self._batch_size)
        found = self._trace.evaluate(self._data.validation_order, 0, steps)
        validation = as_numbers(model._get_metrics_result_or_logs(found))
        callbacks.test_end(validation)
        logs.update({f"val_{name}": value for name, value in validation.items()})
        evaluated = time.perf_counter()
        callbacks.epoch_end(index, logs)
        self.model_epoch += 1
        return EpochResult(
            metrics=as_numbers(logs),
            learning_rate=float(np.asarray(model.optimizer.learning_rate)),
            seconds_build=seconds_build,
            seconds_train=trained - started,
            seconds_evaluate=evaluated - trained,
            last=callbacks.stopped,
        )

    def save(self) -> Checkpoint:
        """Everything needed to go on exactly."""
        variables = variables_of(self._model)
        states, arrays = self._callbacks.state()
        header = {
            "model_epoch": self.model_epoch,
            "variables": describe(variables),
            "callbacks": states,
            "built_for": self._batch_size,
        }
        return Checkpoint(header, [*save_variables(variables), *arrays])

    def load(self, checkpoint: Checkpoint, *, exploit: bool = False) -> None:
        """Go on from a state; with `exploit` another trial's, under this trial's own learning rate."""
        header = checkpoint.header
        model = self._model
        model.optimizer.build(model.trainable_variables)
        variables = variables_of(model)
        count = len(header["variables"])
        own = _own_rate(model) if exploit else None
        load_variables(variables, checkpoint.arrays[:count], header["variables"])
        if own is not None:
            model.optimizer.learning_rate = own
        self._callbacks.restore(header["callbacks"], list(checkpoint.arrays[count:]))
        self.model_epoch = int(header["model_epoch"])

    def close(self) -> None:
        """Training is over: callbacks hear of it."""
        self._callbacks.close()

    def _prepare(self) -> float:
        """Trace what has not been traced, and say how long building has taken in all."""
        started = time.perf_counter()
        seconds, self._seconds_build = self._seconds_build, 0.0
        if not self._trace.checked:
            self._model.optimizer.build(self._model.trainable_variables)
            self._trace.trace()
        return seconds + time.perf_counter() - started if seconds else 0.0

    def _train(self, order: Any) -> Any:
        if not self._per_batch:
            return self._trace.train(order, 0, self._steps)
        logs: Any = {}
        for step in range(self._steps):
            self._callbacks.batch_begin(step)
            logs = self._trace.train(order, step, step + 1)
            self._callbacks.batch_end(step, as_numbers(logs))
            if self._callbacks.stopped:
                break
        return logs


def as_numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    """Logs as plain floats, what is not one number left out."""
    flat: dict[str, float] = {}
    for name, value in logs.items():
        if isinstance(value, Mapping):
            flat.update(as_numbers(value))
        elif np.size(value) == 1:
            flat[name] = float(np.asarray(value).reshape(()))
    return flat


def _own_rate(model: keras.Model) -> float | None:
    rate = model.optimizer._learning_rate
    return None if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule) else float(np.asarray(rate))


