"""One trial of a Keras model: build → run epochs → evaluate → save and load."""

import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.utils.python_utils import pythonify_logs

from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.study import TuneJob
from pipeline.training.base import EpochResult
from pipeline.training.build import build_callbacks, seeded
from pipeline.training.callbacks import Callbacks
from pipeline.training.epoch import steps_of
from pipeline.training.resident import Resident
from pipeline.training.state import describe, load_variables, random_ops, save_variables, variables_of
from pipeline.training.traces import Trace

__all__ = ["CompiledTrainer", "Trainer", "order_of"]


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
    """A model in training. How an epoch is run is a matter of the subclass.

    Args:
        job: The study's job.
        config: The trial's config.
        model: Compiled and built.
        rows: Number of training rows.
        seed: Where shuffling comes from.
        started: When building the model began, as time.perf_counter() tells it.

    Raises:
        ModelError: What the job's callbacks return cannot be used.
    """

    def __init__(
        self, job: TuneJob, config: Config, model: keras.Model, *, rows: int, seed: int, started: float
    ) -> None:
        self.model = model
        self.batch_size = int(config.get("batch_size", job.batch_size))
        self.rows, self.seed = rows, seed
        self.steps = steps_of(rows, self.batch_size)
        self.callbacks = Callbacks(
            build_callbacks(job, config, seed=seed), model, epochs=job.budget.epochs, steps=self.steps
        )
        self.state: list[Any] = []
        self._model_epoch = 0
        self._seconds_build = time.perf_counter() - started

    @property
    def model_epoch(self) -> int:
        """Age of the weights in epochs; 0 before the first."""
        return self._model_epoch

    @property
    def inexact(self) -> str | None:
        """Why going on from a saved state may differ from never having stopped; None where it does not."""
        return None

    def run_epoch(self) -> EpochResult:
        """Train one epoch and evaluate on the validation split.

        Raises:
            Exception: Whatever the user's code, or Keras on its account, raises.
        """
        seconds_build, self._seconds_build = self._seconds_build, 0.0
        index = self._model_epoch
        # What the user's own code draws is then the same after a resume.
        seeded(self.seed, f"epoch {index}")
        self.callbacks.begin()
        logs, seconds_train, seconds_evaluate = self._epoch(index)
        self._model_epoch += 1
        metrics = {name: float(value) for name, value in logs.items() if np.ndim(value) == 0}
        metrics.pop("learning_rate", None)
        hopeless = not np.isfinite(metrics.get("loss", 0.0))
        if hopeless:
            print(f"tunepipe: The loss is {metrics['loss']} in epoch {self._model_epoch}: training ends.")
        return EpochResult(
            metrics=metrics,
            learning_rate=_as_float(self.model.optimizer.learning_rate),
            seconds_build=seconds_build,
            seconds_train=seconds_train,
            seconds_evaluate=seconds_evaluate,
            updates=int(keras.ops.convert_to_numpy(self.model.optimizer.iterations)),
            parameters=int(self.model.count_params()),
            last=self.callbacks.stopped or hopeless,
        )

    def save(self) -> Checkpoint:
        """Everything needed to go on exactly: variables, seed generators, callback states, model_epoch."""
        variables = [*variables_of(self.model), *self.state]
        states, arrays = self.callbacks.state()
        header = {"model_epoch": self._model_epoch, "variables": describe(variables), "callbacks": states}
        return Checkpoint(header, [*save_variables(variables), *arrays])

    def load(self, checkpoint: Checkpoint, *, exploit: bool = False) -> None:
        """Go on from a state.

        Args:
            checkpoint: What `save` returned, here or in another process.
            exploit: The state is another trial's: its weights, its optimiser's slots and its callbacks' state are taken
                over; the learning rate and all other numbers stay as this trial's own config sets them.

        Raises:
            ModelError: The state is of another architecture.
        """
        variables = [*variables_of(self.model), *self.state]
        saved = checkpoint.header["variables"]
        count = len(saved)
        own = {i for i, variable in enumerate(variables) if exploit and _is_rate(variable, self.model.optimizer)}
        load_variables(variables, checkpoint.arrays[:count], saved, keep=own)
        self.callbacks.restore(checkpoint.header["callbacks"], checkpoint.arrays[count:])
        self._model_epoch = int(checkpoint.header["model_epoch"])

    def close(self) -> None:
        """Training is over: callbacks hear of it, once."""
        self.callbacks.end()

    def _epoch(self, index: int) -> tuple[Mapping[str, Any], float, float]:
        """Run an epoch.

        Args:
            index: Its number, from 0.

        Returns:
            Logs, seconds of training, seconds of evaluation.
        """
        raise NotImplementedError


class CompiledTrainer(Trainer):
    """A model whose epoch is one compiled function.

    Args:
        job: The study's job.
        config: The trial's config.
        trace: The model and its compiled epoch.
        data: The data, resident in this process.
        seed: Where shuffling comes from.
        started: When building the model began.
    """

    def __init__(
        self, job: TuneJob, config: Config, trace: Trace, data: Resident, *, seed: int, started: float
    ) -> None:
        super().__init__(job, config, trace.model, rows=data.train_rows, seed=seed, started=started)
        trace.lend(self)
        self._trace, self._data = trace, data
        self._validation_steps = steps_of(data.validation_rows, self.batch_size)
        self.state = trace.state
        self._finished = False

    @property
    def inexact(self) -> str | None:
        """Why going on from a saved state may differ from never having stopped; None where it does not."""
        if self._trace.outline is None and (found := random_ops(self._trace.train)):
            drawn = ", ".join(found)
            return f"its layers draw with tf.random ({drawn}), whose generator cannot be saved; use keras.random"
        return self.callbacks.forgetful

    def close(self) -> None:
        """Training is over: callbacks hear of it, once, and the next trial may have the trace."""
        if self._finished:
            return
        self._finished = True
        if self._model_epoch:
            self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        super().close()
        self._trace.give_back()

    def _epoch(self, index: int) -> tuple[Mapping[str, Any], float, float]:
        model, hooks = self.model, self.callbacks.list
        started = time.perf_counter()
        model.reset_metrics()
        hooks.on_epoch_begin(index)
        order = self._data.ordered(order_of(self.rows, self.seed, index))
        if self.callbacks.per_train_batch:
            told = (hooks.on_train_batch_begin, hooks.on_train_batch_end, "stop_training")
            found = self._one_by_one(self._trace.train, order, self.steps, *told)
        else:
            found = self._trace.train(order, tf.constant(0), tf.constant(self.steps))
        logs = dict(model._get_metrics_result_or_logs(found))
        trained = time.perf_counter()
        validation = self._validate()
        evaluated = time.perf_counter()
        logs.update({f"val_{name}": value for name, value in validation.items()})
        return self.callbacks.epoch_end(index, logs), trained - started, evaluated - trained

    def _validate(self) -> dict[str, Any]:
        model, hooks = self.model, self.callbacks.list
        model.stop_evaluating = False
        hooks.on_test_begin()
        model.reset_metrics()
        order, steps = self._data.in_order, self._validation_steps
        if self.callbacks.per_test_batch:
            told = (hooks.on_test_batch_begin, hooks.on_test_batch_end, "stop_evaluating")
            found = self._one_by_one(self._trace.evaluate, order, steps, *told)
        else:
            found = self._trace.evaluate(order, tf.constant(0), tf.constant(steps))
        logs: dict[str, Any] = pythonify_logs(model._get_metrics_result_or_logs(found))
        hooks.on_test_end(logs)
        return logs

    def _one_by_one(self, function: Any, order: Any, steps: int, before: Any, after: Any, stop: str) -> Any:
        logs: Any = {}
        for step in range(steps):
            before(step)
            logs = function(order, tf.constant(step), tf.constant(step + 1))
            after(step, logs)
            if getattr(self.model, stop):
                break
        return logs


def _is_rate(variable: Any, optimizer: Any) -> bool:
    return variable is getattr(optimizer, "inner_optimizer", optimizer)._learning_rate


def _as_float(rate: Any) -> float:
    return float(np.asarray(keras.ops.convert_to_numpy(rate)))
