"""One trial of a Keras model: build → run epochs → evaluate → save and load.

An epoch is one compiled function, or, where that is not possible, a call of Keras' fit.
"""

import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.datasets import Dataset, Split, batches_of
from pipeline.errors import ModelError
from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.study import Fit, TuneJob
from pipeline.text import note
from pipeline.training.arrays import (
    WHOLE,
    DeviceData,
    Fold,
    as_batch,
    as_fit_takes_it,
    nested,
    order_of,
    span_of,
    steps_of,
    with_text_as_tensors,
)
from pipeline.training.base import ALLOWED, EpochResult, NotNumeric, as_number, batch_size_of
from pipeline.training.build import Phases
from pipeline.training.callbacks import Callbacks, Relay, plain_logs, with_batch_hooks
from pipeline.training.internals import keep_averages_apart, learning_rate_of, ordered_sums
from pipeline.training.pipelines import PipelineReader, Source, pipeline_variables
from pipeline.training.process import seed_generators
from pipeline.training.state import (
    build_further_optimizers,
    build_optimizer,
    describe,
    further_variables,
    load_variables,
    optimizers_of,
    save_variables,
    skip_reductions,
    value_of,
    variables_of,
)
from pipeline.training.traces import Trace, Traces

_STEPS_PER_CALL = 64
"""Steps that one call of Keras' training function runs: fewer calls from Python, the same results.

With one step for each call, a pipeline of unknown length ends in a step that fails, but moves counters and generators.
"""


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
        steps: int | None = None,
    ) -> None:
        self.model, self.fit, self.trained_with = model, fit, trained_with
        self.batch_size, self.rows, self.seed = batch_size_of(job, config), rows, seed
        self.steps: int = steps_of(rows, self.batch_size)
        """The steps of a pass over arrays."""
        steps = fit.steps_per_epoch or steps or self.steps or None
        self.callbacks = Callbacks(callbacks, model, epochs=job.budget.epochs, steps=steps)
        self._closed, self._objective = False, job.objective.metric
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
        # A MultiOptimizer has several.
        rate = getattr(optimizer, "learning_rate", None)
        return EpochResult(
            metrics=metrics,
            learning_rate=None if rate is None else float(np.asarray(keras.ops.convert_to_numpy(rate))),
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
            optimizers = [(each, *getattr(each, "optimizers", ())) for each in optimizers_of(self.model)]
            rates = [value_of(learning_rate_of(optimizer)) for optimizer in chain.from_iterable(optimizers)]
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
        further = self._further_state()
        return [*variables_of(self.model), *further]

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
                note(f"tunepipe: The metric {name} is {error} and is not recorded: {ALLOWED}.", subject=name)
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

    def __init__(self, model: Any, data: DeviceData, *, trace: Trace | None, traces: Traces, **common: Any) -> None:
        super().__init__(model, rows=data.train_rows, trained_with="compiled epochs", **common)
        self._trace, self._data, self._traces = trace, data, traces
        # Before a callback freezes layers: a resumed trial needs the same variables.
        build_optimizer(model)
        # It is that of a build_model that calls fit.
        model.train_function = None
        if trace is not None:
            trace.lend(self)
        steps = steps_of(data.validation_rows, self.batch_size)
        self._validation_steps = min(steps, self.fit.validation_steps or steps)

    def close(self) -> None:
        if not self._closed:
            super().close()
            self._recompiled()

    def _recompiled(self) -> None:
        if self._trace is not None:
            self._trace.give_back()
        self._trace = None

    def _traced(self) -> Trace:
        """The trace, made when it is first needed: until then, callbacks may change the model, as with fit."""
        if self._trace is None:
            self._trace = self._traces.of(self.model, self._data, self.batch_size)
            self._trace.lend(self)
        return self._trace

    def _further_state(self) -> list[Any]:
        return self._traced().state

    def _epoch(self, index: int) -> tuple[Mapping[str, Any], float, float]:
        model, hooks = self.model, self.callbacks.list
        started = time.perf_counter()
        model.reset_metrics()
        hooks.on_epoch_begin(index)
        if model.train_function is not None:
            # A callback called make_train_function, so that the next step trains other variables.
            model.train_function = None
            self._recompiled()
        trace = self._traced()
        passes, first, last = span_of(index, self.steps, self.fit.steps_per_epoch)
        # As with fit, one step follows where a callback has set it before.
        last = first + 1 if model.stop_training else last
        step_logs = trace.train(self._data.ordered(self._order(passes)), tf.constant(first), tf.constant(last))
        logs = dict(self._results(step_logs))
        trained = time.perf_counter()
        if trace.evaluate is not None:
            hooks.on_test_begin()
            model.reset_metrics()
            steps = tf.constant(self._validation_steps)
            validation = plain_logs(self._results(trace.evaluate(self._data.in_order, tf.constant(0), steps)))
            hooks.on_test_end(validation)
            logs.update({f"val_{name}": value for name, value in validation.items()})
        evaluated = time.perf_counter()
        return self.callbacks.epoch_end(index, logs), trained - started, evaluated - trained

    def _results(self, logs: Any) -> Any:
        """The metrics at the end of an epoch: the model's own, unless a custom step returns others."""
        metrics = self.model.get_metrics_result()
        return metrics if isinstance(logs, dict) and set(logs) == set(metrics) else logs


# Training by Keras' fit, one call for each epoch.


def reason_for_fit(model: keras.Model) -> str | None:
    """Why a model is trained by Keras' fit; None if its epoch can be compiled.

    It is called outside of every strategy's scope.
    """
    if model.run_eagerly:
        return "the model is compiled with run_eagerly=True"
    for method in ("fit", "make_train_function", "make_test_function", "evaluate"):
        if getattr(type(model), method) is not getattr(keras.Model, method) or method in vars(model):
            return f"the model has its own {method}"
    if model.distribute_strategy is not tf.distribute.get_strategy():
        return "the model is built in the scope of a tf.distribute strategy"
    return None


class FitTrainer(Trainer):
    """A model trained by fit: on arrays, on the batches of a compiled epoch; on pipelines, on those of one call of fit.

    `source` makes the pipelines of a data set with at least one; with `stream`, arrays are read one batch at a time.
    """

    def __init__(
        self,
        model: keras.Model,
        data: Dataset,
        fold: Fold = WHOLE,
        *,
        source: Source | None = None,
        stream: bool = False,
        reason: str,
        **common: Any,
    ) -> None:
        self._source, self._stream, self._fold = source, stream, fold
        rows = data.train.rows if isinstance(data.train, Split) else 0
        rows = rows if fold.train is None else len(fold.train)
        self._batches = batches_of(data.train)
        super().__init__(model, rows=rows, steps=self._batches, trained_with=f"Keras' fit: {reason}", **common)
        self._data, self._read = data, 0
        if isinstance(data.train, Split):
            self._arrays = self._arrays_of(data.train)
        self._recompiled()

    def _recompiled(self) -> None:
        """Begin another call of fit for several epochs: it continues the pipelines where they are."""
        model, fit, data = self.model, self.fit, self._data
        skip_reductions(model)
        with model.distribute_strategy.scope():
            # The first step would build it otherwise.
            build_optimizer(model)
        hooked = with_batch_hooks(self.callbacks.list.callbacks) is not None
        plain = not (hooked or model.run_eagerly or tf.distribute.has_strategy())
        limited = fit.steps_per_epoch is not None or fit.validation_steps is not None
        if self._source is not None and plain and not limited and model.steps_per_execution == 1:
            model.steps_per_execution = max(1, min(_STEPS_PER_CALL, self._batches or self.steps or _STEPS_PER_CALL))
        self._train = None
        if not isinstance(data.train, Split):
            self._train = PipelineReader(
                data.train,
                training=True,
                shuffle=fit.shuffle,
                steps=fit.steps_per_epoch,
                class_weight=fit.class_weight,
            )
        self._validation = self._validation_data(data.validation)

    def close(self) -> None:
        super().close()
        if isinstance(self._validation, _Batches):
            self._validation.release()

    def _arrays_of(self, split: Split) -> Any:
        return (nested if self._stream else as_batch)(split)

    def _validation_data(self, split: Any) -> Any:
        """What trials are compared on: a PipelineReader, or what fit takes as validation_data; None without one."""
        if self._fold.validation is not None:
            arrays, rows = self._arrays, self._fold.validation
        elif isinstance(split, Split):
            arrays, rows = self._arrays_of(split), np.arange(split.rows)
        elif split is None:
            return None
        else:
            return PipelineReader(split, training=False, steps=self.fit.validation_steps)
        if self.fit.validation_steps is not None:
            rows = rows[: self.fit.validation_steps * self.batch_size]
        if self._stream:
            return _Batches(arrays, rows, self.batch_size)
        return with_text_as_tensors(keras.tree.map_structure(lambda array: array[rows], arrays))

    @property
    def _steps_known(self) -> bool:
        """Whether training is made of the model's train_step, and that can be traced."""
        model = self.model
        mirrored = model.distribute_strategy.num_replicas_in_sync > 1
        return not (model.run_eagerly or mirrored or type(model).fit is not keras.Model.fit)

    def _further_state(self) -> list[Any]:
        further = [*(further_variables(self.model) if self._steps_known else ()), *pipeline_variables(self._data)]
        known = {id(variable) for variable in variables_of(self.model)}
        return list({id(variable): variable for variable in further if id(variable) not in known}.values())

    def _prepare_to_load(self, epochs: int) -> None:
        if self._source is not None:
            # The pipelines are left as the epochs would have left them.
            for epoch in range(self._read, epochs):
                seed_generators(self.seed, f"epoch {epoch}")
                for reader in self._readers:
                    reader.skip()
            self._read = epochs
        if epochs and self._steps_known:
            build_further_optimizers(self.model, self._batch_spec)

    def _batch_spec(self) -> Any:
        """The specification of a batch, as the model's train_step gets it."""
        if self._train is not None:
            return self._train.spec

        def spec(array: Any) -> Any:
            return tf.TensorSpec([None, *array.shape[1:]], tf.convert_to_tensor(array).dtype)

        return keras.tree.map_structure(spec, as_batch(self._data.train.part(slice(1))))

    @property
    def _readers(self) -> list[PipelineReader]:
        return [reader for reader in (self._train, self._validation) if isinstance(reader, PipelineReader)]

    def _epoch(self, index: int) -> tuple[Mapping[str, Any], float, float]:
        relay, started = Relay(self.callbacks), time.perf_counter()
        self._read += 1
        with ExitStack() as stack:
            # Fit would put averaged weights in place at the end of each of its calls; here only close does.
            stack.enter_context(keep_averages_apart(self.model.optimizer))
            stack.enter_context(ordered_sums())
            stack.enter_context(warnings.catch_warnings())
            # An epoch of unknown length ends with its data, and a pipeline has its own order.
            warnings.filterwarnings("ignore", message="Your input ran out of data|`shuffle=True` was passed")
            for reader in self._readers:
                reader.begin()
            given = {**self._training(index), **self._validating()}
            self.model.fit(**given, epochs=index + 1, initial_epoch=index, verbose=0, callbacks=relay)
        if isinstance(given.get("x"), _Batches):
            given["x"].release()
        for reader in self._readers:
            reader.end()
        seconds = time.perf_counter() - started
        return relay.logs, seconds - relay.seconds_evaluate, relay.seconds_evaluate

    def _training(self, index: int) -> dict[str, Any]:
        if self._train is not None:
            return {"x": self._train.dataset, "steps_per_epoch": self._train.steps}
        passes, first, last = span_of(index, self.steps, self.fit.steps_per_epoch)
        order = self._order(passes)[first * self.batch_size : last * self.batch_size]
        order = order if self._fold.train is None else self._fold.train[order]
        given: dict[str, Any] = {"shuffle": False, "class_weight": self.fit.class_weight}
        if self._stream:
            return {**given, "x": _Batches(self._arrays, order, self.batch_size)}
        rows = with_text_as_tensors(keras.tree.map_structure(lambda array: array[order], self._arrays))
        x, y, weight = keras.utils.unpack_x_y_sample_weight(rows)
        return {**given, "x": x, "y": y, "sample_weight": weight, "batch_size": self.batch_size}

    def _validating(self) -> dict[str, Any]:
        if isinstance(self._validation, PipelineReader):
            return {"validation_data": self._validation.dataset, "validation_steps": self.fit.validation_steps}
        size = None if self._train is None or self._validation is None else self.batch_size
        return {"validation_data": self._validation, "validation_batch_size": size}


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Arrays, one batch at a time, each cast by itself."""

    def __init__(self, arrays: Any, order: Any, batch_size: int) -> None:
        super().__init__()
        self._arrays, self._order, self._batch_size = arrays, order, batch_size

    def release(self) -> None:
        """Release the arrays: TensorFlow keeps what fit was given for as long as the process runs."""
        self._arrays = self._order = None

    def __len__(self) -> int:
        return steps_of(len(self._order), self._batch_size)

    def __getitem__(self, index: int) -> Any:
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        batch = keras.tree.map_structure(lambda array: array[rows], self._arrays)
        return with_text_as_tensors(as_fit_takes_it(batch))
