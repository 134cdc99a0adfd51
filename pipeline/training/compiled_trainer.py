"""Training by compiled epochs: one call of a traced function over data in memory."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from pipeline.space import Config
from pipeline.study import TuneJob
from pipeline.training.device_data import DeviceData
from pipeline.training.epoch_rows import span_of, steps_of
from pipeline.training.fit_arguments import FitArguments
from pipeline.training.logs import plain_logs, results_of
from pipeline.training.phases import Phases
from pipeline.training.state import drawn_in_words, random_ops
from pipeline.training.traces import Trace
from pipeline.training.trainer import Trainer


class CompiledTrainer(Trainer):
    """A model whose epoch is one compiled function."""

    def __init__(
        self,
        job: TuneJob,
        config: Config,
        trace: Trace,
        data: DeviceData,
        *,
        retrace: Callable[[keras.Model], Trace],
        phases: Phases,
        fit: FitArguments,
        seed: int,
        started: float,
    ) -> None:
        super().__init__(
            job,
            config,
            trace.model,
            rows=data.train_rows,
            fit=fit,
            seed=seed,
            started=started,
            trained_with="compiled epochs",
            phases=phases,
        )
        if (batch_hook_callback := self.callbacks.batch_hook_callback) is not None:
            self.trained_with += f", batch by batch because {batch_hook_callback} has batch hooks"
        trace.lend(self)
        self._trace, self._data, self._retrace = trace, data, retrace
        steps = steps_of(data.validation_rows, self.batch_size)
        self._validation_steps = min(steps, fit.validation_steps or steps)
        self._drawn = random_ops(trace.train) if trace.trace_key is None else []

    @property
    def trace(self) -> Trace:
        """The traced epochs of the model."""
        return self._trace

    @property
    def inexact(self) -> str | None:
        """Why a resumed trial may differ from an uninterrupted one; None if it does not."""
        return drawn_in_words(self._drawn) or super().inexact

    def close(self) -> None:
        """End training: call on_train_end of each callback once, and release the trace."""
        if not self._closed:
            super().close()
            self._trace.give_back()

    def _recompiled(self) -> None:
        self._trace.give_back()
        self._trace = self._retrace(self.model)
        self._trace.lend(self)
        self._drawn = random_ops(self._trace.train)

    def _further_state(self) -> list[Any]:
        return self._trace.state

    def _epoch(self, index: int) -> tuple[Mapping[str, Any], float, float]:
        model, hooks = self.model, self.callbacks.list
        started = time.perf_counter()
        model.reset_metrics()
        hooks.on_epoch_begin(index)
        passes, first, last = span_of(index, steps_of(self.rows, self.batch_size), self.fit.steps_per_epoch)
        order = self._data.ordered(self._order(passes))
        if self.callbacks.per_train_batch:
            around = (hooks.on_train_batch_begin, hooks.on_train_batch_end, "stop_training")
            step_logs = self._one_by_one(self._trace.train, order, range(first, last), *around)
        else:
            step_logs = self._trace.train(order, tf.constant(first), tf.constant(last))
        logs = dict(results_of(model, step_logs))
        trained = time.perf_counter()
        due = self._trace.evaluate is not None and self.fit.validates(index + 1)
        validation = self._validate() if due else {}
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
            around = (hooks.on_test_batch_begin, hooks.on_test_batch_end, "stop_evaluating")
            step_logs = self._one_by_one(self._trace.evaluate, order, range(steps), *around)
        else:
            step_logs = self._trace.evaluate(order, tf.constant(0), tf.constant(steps))
        logs: dict[str, Any] = plain_logs(results_of(model, step_logs))
        hooks.on_test_end(logs)
        return logs

    def _validation_metrics(self) -> Mapping[str, Any]:
        if self._trace.evaluate is None:
            return {}
        self.model.reset_metrics()
        step_logs = self._trace.evaluate(self._data.in_order, tf.constant(0), tf.constant(self._validation_steps))
        return plain_logs(results_of(self.model, step_logs))

    def _one_by_one(self, function: Any, order: Any, steps: range, before: Any, after: Any, stop: str) -> Any:
        logs: Any = {}
        for place, step in enumerate(steps):
            before(place)
            logs = function(order, tf.constant(step), tf.constant(step + 1))
            after(place, logs)
            if getattr(self.model, stop):
                break
        return logs
