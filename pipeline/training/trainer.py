"""One trial of a Keras model: build → run epochs → evaluate → save and load; and its training by compiled epochs."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.errors import ModelError
from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.study import Fit, TuneJob
from pipeline.training.arrays import DeviceData, order_of, span_of, steps_of
from pipeline.training.base import ALLOWED, EpochResult, JobNotes, NotNumeric, as_number, batch_size_of
from pipeline.training.build import Phases
from pipeline.training.callbacks import Callbacks, plain_logs
from pipeline.training.internals import learning_rate_of
from pipeline.training.process import seed_generators
from pipeline.training.state import (
    describe,
    load_variables,
    optimizers_of,
    save_variables,
    value_of,
    variables_of,
)
from pipeline.training.traces import Trace, Traces


class Trainer:
    """A model in training; subclasses run its epochs."""

    def __init__(
        self,
        model: keras.Model,
        *,
        job: TuneJob,
        config: Config,
        rows: int,
        callbacks: Sequence[keras.callbacks.Callback],
        fit: Fit,
        seed: int,
        started: float,
        trained_with: str,
        phases: Phases,
        notes: JobNotes,
        steps: int | None = None,
    ) -> None:
        self.model, self.fit, self.trained_with = model, fit, trained_with
        self.batch_size, self.rows, self.seed = batch_size_of(job, config), rows, seed
        self.steps: int = steps_of(rows, self.batch_size)
        """The steps of a pass over arrays."""
        steps = fit.steps_per_epoch or steps or self.steps or None
        self.callbacks = Callbacks(callbacks, model, epochs=job.budget.epochs, steps=steps)
        self._closed, self._notes, self._objective = False, notes, job.objective.metric
        self.model_epoch = 0
        self._phases, self._begun = phases, list[int]()
        self._phase_ended = False
        self._seconds_build = time.perf_counter() - started

    def run_epoch(self) -> EpochResult:
        seconds_build, self._seconds_build = self._seconds_build, 0.0
        while self._phases.due(len(self._begun), self.model_epoch, ended=self._phase_ended):
            # After a resume, too, they are called at the end of the phase, as they would have been.
            self.callbacks.begin()
            self._end_fit()
            self._begin_phase()
        index = self.model_epoch
        # What the user's own code draws is then the same after a resume.
        seed_generators(self.seed, f"epoch {index}")
        self.callbacks.begin()
        logs, seconds_train, seconds_evaluate = self._epoch(index)
        self.model_epoch += 1
        metrics = self._numbers({name: value for name, value in logs.items() if name != "learning_rate"})
        self._phase_ended = self.callbacks.stopped
        loss_not_finite = not np.isfinite(metrics.get("loss", 0.0))
        if loss_not_finite:
            print(f"tunepipe: The loss is {metrics['loss']} in epoch {self.model_epoch}: training ends.")
        optimizer = self.model.optimizer
        return EpochResult(
            metrics=metrics,
            learning_rate=float(np.asarray(keras.ops.convert_to_numpy(optimizer.learning_rate))),
            seconds_build=seconds_build,
            seconds_train=seconds_train,
            seconds_evaluate=seconds_evaluate,
            updates=int(keras.ops.convert_to_numpy(optimizer.iterations)),
            parameters=int(self.model.count_params()),
            last=(self._phase_ended and not self._phases.follows(len(self._begun))) or loss_not_finite,
            phase=len(self._begun),
        )

    def save(self) -> Checkpoint:
        variables = self._variables()
        states, arrays = self.callbacks.state()
        header = {
            "model_epoch": self.model_epoch,
            "phases": list(self._begun),
            "phase_ended": self._phase_ended,
            "variables": describe(variables),
            "callbacks": states,
        }
        return Checkpoint(header, [*save_variables(variables), *arrays])

    def load(self, checkpoint: Checkpoint, *, exploit: bool = False) -> None:
        header, arrays = checkpoint.header, checkpoint.arrays
        self._load_phases(header["phases"])
        self._prepare_to_load(int(header["model_epoch"]))
        # As in an uninterrupted trial, callbacks begin with the weights and the learning rate before training.
        seed_generators(self.seed, f"epoch {self._begun[-1] if self._begun else 0}")
        self.callbacks.begin()
        variables = self._variables()
        own = set[int]()
        if exploit:
            rates = [value_of(learning_rate_of(optimizer)) for optimizer in optimizers_of(self.model)]
            own = {i for i, variable in enumerate(variables) if any(value_of(variable) is rate for rate in rates)}
        saved = header["variables"]
        load_variables(variables, arrays[: len(saved)], saved, keep=own)
        self.callbacks.restore(header["callbacks"], arrays[len(saved) :])
        self.model_epoch = int(header["model_epoch"])
        self._phase_ended = bool(header["phase_ended"])

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._end_fit()

    def _variables(self) -> list[Any]:
        """All variables of a saved state, in an order that depends on the model's code alone."""
        return [*variables_of(self.model), *self._further_state()]

    def _numbers(self, logs: Mapping[str, Any]) -> dict[str, float]:
        """The logs that are numbers; other values, from a callback or a metric, are left out and named once."""
        metrics = {}
        for name, value in logs.items():
            try:
                metrics[name] = as_number(value)
            except NotNumeric as error:
                if name == self._objective:
                    raise ModelError(
                        f"The objective {name!r} is {error}, and trials are compared by one number. Compile the model "
                        'with a metric of one number, such as F1Score(average="macro"), or choose another objective.'
                    ) from None
                self._notes.print_once(f"The metric {name} is {error} and is not recorded: {ALLOWED}.", subject=name)
        return metrics

    def _end_fit(self) -> None:
        if self.model_epoch:
            with self.model.distribute_strategy.scope():
                self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        self.callbacks.end()

    def _order(self, passes: int) -> np.ndarray:
        """The order of the training rows in a pass, by the number of the pass, from 0: int32, shape (rows,)."""
        return order_of(self.rows, self.seed, passes) if self.fit.shuffle else np.arange(self.rows, dtype=np.int32)

    def _begin_phase(self) -> None:
        """Begin the next phase as another call of `fit` would, on the model that it prepares."""
        self._begun.append(self.model_epoch)
        with self.model.distribute_strategy.scope():
            self._phases.prepare(self.model, len(self._begun))
        self.model.stop_training = self._phase_ended = False
        self._recompiled()

    def _load_phases(self, starts: list[int]) -> None:
        """Prepare the model as in the phases that had begun when a state was saved: it has other variables then."""
        assert self._begun == starts[: len(self._begun)], "a learner does not go back to an earlier phase"
        for start in starts[len(self._begun) :]:
            self._prepare_to_load(start)
            self.model_epoch = start
            self._begin_phase()

    # What the ways of training differ in.

    def _epoch(self, index: int) -> tuple[Mapping[str, Any], float, float]:
        """Run an epoch: its logs, and the seconds of training and of validation."""
        raise NotImplementedError

    def _further_state(self) -> list[Any]:
        """Variables that training changes in addition to the model's and its compiled optimiser's."""
        raise NotImplementedError

    def _recompiled(self) -> None:
        """Prepare for epochs of a model that was compiled again."""
        raise NotImplementedError

    def _prepare_to_load(self, epochs: int) -> None:
        """Prepare for a state after some epochs: what these would have built, and what they would have read."""


class CompiledTrainer(Trainer):
    """A model whose epoch is one call of a traced function that loops train_step over data in memory."""

    def __init__(self, trace: Trace, data: DeviceData, *, traces: Traces, **common: Any) -> None:
        super().__init__(trace.model, rows=data.train_rows, trained_with="compiled epochs", **common)
        trace.lend(self)
        self.trace, self._data, self._traces = trace, data, traces
        steps = steps_of(data.validation_rows, self.batch_size)
        self._validation_steps = min(steps, self.fit.validation_steps or steps)

    def close(self) -> None:
        if not self._closed:
            super().close()
            self.trace.give_back()

    def _recompiled(self) -> None:
        self.trace.give_back()
        self.trace = self._traces.of(self.model, self._data, self.batch_size)
        self.trace.lend(self)

    def _further_state(self) -> list[Any]:
        return self.trace.state

    def _epoch(self, index: int) -> tuple[Mapping[str, Any], float, float]:
        model, hooks = self.model, self.callbacks.list
        started = time.perf_counter()
        model.reset_metrics()
        hooks.on_epoch_begin(index)
        passes, first, last = span_of(index, self.steps, self.fit.steps_per_epoch)
        step_logs = self.trace.train(self._data.ordered(self._order(passes)), tf.constant(first), tf.constant(last))
        logs = dict(self._results(step_logs))
        trained = time.perf_counter()
        if self.trace.evaluate is not None:
            hooks.on_test_begin()
            model.reset_metrics()
            steps = tf.constant(self._validation_steps)
            validation = plain_logs(self._results(self.trace.evaluate(self._data.in_order, tf.constant(0), steps)))
            hooks.on_test_end(validation)
            logs.update({f"val_{name}": value for name, value in validation.items()})
        evaluated = time.perf_counter()
        return self.callbacks.epoch_end(index, logs), trained - started, evaluated - trained

    def _results(self, logs: Any) -> Any:
        """The metrics at the end of an epoch: the model's own, unless a custom step returns others."""
        metrics = self.model.get_metrics_result()
        return metrics if isinstance(logs, dict) and set(logs) == set(metrics) else logs
