"""Training by compiled epochs: one call of a traced function that loops train_step over data in memory."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from pipeline.space import Config
from pipeline.study import TuneJob
from pipeline.training.arrays import DeviceData, span_of, steps_of
from pipeline.training.base import FitArguments, batch_size_of
from pipeline.training.metrics import plain_logs
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
        fit: FitArguments,
        **common: Any,
    ) -> None:
        self._steps = steps_of(data.train_rows, batch_size_of(job, config))
        super().__init__(
            job,
            config,
            trace.model,
            rows=data.train_rows,
            steps=self._steps,
            trained_with="compiled epochs",
            fit=fit,
            **common,
        )
        trace.lend(self)
        self._trace, self._data, self._retrace = trace, data, retrace
        steps = steps_of(data.validation_rows, self.batch_size)
        self._validation_steps = min(steps, fit.validation_steps or steps)

    @property
    def trace(self) -> Trace:
        return self._trace

    def close(self) -> None:
        if not self._closed:
            super().close()
            self._trace.give_back()

    def _recompiled(self) -> None:
        self._trace.give_back()
        self._trace = self._retrace(self.model)
        self._trace.lend(self)

    def _further_state(self) -> list[Any]:
        return self._trace.state

    def _epoch(self, index: int) -> tuple[Mapping[str, Any], float, float]:
        model, hooks = self.model, self.callbacks.list
        started = time.perf_counter()
        model.reset_metrics()
        hooks.on_epoch_begin(index)
        passes, first, last = span_of(index, self._steps, self.fit.steps_per_epoch)
        order = self._data.ordered(self._order(passes))
        step_logs = self._trace.train(order, tf.constant(first), tf.constant(last))
        logs = dict(self._results(step_logs))
        trained = time.perf_counter()
        if self._trace.evaluate is not None and self.fit.validates(index + 1):
            hooks.on_test_begin()
            validation = self._evaluated()
            hooks.on_test_end(validation)
            logs.update({f"val_{name}": value for name, value in validation.items()})
        evaluated = time.perf_counter()
        return self.callbacks.epoch_end(index, logs), trained - started, evaluated - trained

    def _validation_metrics(self) -> Mapping[str, Any]:
        return {} if self._trace.evaluate is None else self._evaluated()

    def _evaluated(self) -> dict[str, Any]:
        self.model.reset_metrics()
        steps = tf.constant(self._validation_steps)
        return plain_logs(self._results(self._trace.evaluate(self._data.in_order, tf.constant(0), steps)))

    def _results(self, logs: Any) -> Any:
        """The metrics at the end of an epoch: the model's own, unless a custom step returns others."""
        metrics = self.model.get_metrics_result()
        return metrics if isinstance(logs, dict) and set(logs) == set(metrics) else logs
