"""Training by compiled epochs: one call of a traced function that loops train_step over data in memory."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from pipeline.training.arrays import DeviceData, span_of, steps_of
from pipeline.training.metrics import plain_logs
from pipeline.training.traces import Trace
from pipeline.training.trainer import Trainer


class CompiledTrainer(Trainer):
    """A model whose epoch is one compiled function."""

    def __init__(
        self, trace: Trace, data: DeviceData, *, retrace: Callable[[keras.Model], Trace], **common: Any
    ) -> None:
        super().__init__(trace.model, rows=data.train_rows, trained_with="compiled epochs", **common)
        trace.lend(self)
        self.trace, self._data, self._retrace = trace, data, retrace
        steps = steps_of(data.validation_rows, self.batch_size)
        self._validation_steps = min(steps, self.fit.validation_steps or steps)

    def close(self) -> None:
        if not self._closed:
            super().close()
            self.trace.give_back()

    def _recompiled(self) -> None:
        self.trace.give_back()
        self.trace = self._retrace(self.model)
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
