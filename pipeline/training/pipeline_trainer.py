"""Training on pipelines: the loop of Keras' fit with its iterators, so that an epoch reads the same batches."""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from pipeline.datasets import Dataset, Split, Stream, batches_of, kind_of
from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.study import TuneJob
from pipeline.training.base import batch_size_of
from pipeline.training.build import seed_generators
from pipeline.training.data import memory_for_rows
from pipeline.training.device_data import as_batch
from pipeline.training.epoch_rows import steps_of
from pipeline.training.fit_arguments import FitArguments
from pipeline.training.further_state import build_optimizers, further_variables
from pipeline.training.inputs import explain_shape_errors
from pipeline.training.internals import element_spec, symbolic_build, traced_functions
from pipeline.training.iterator_numbers import iterator_numbers
from pipeline.training.logs import plain_logs, results_of
from pipeline.training.phases import Phases
from pipeline.training.pipeline_state import inexact_because, pipeline_variables
from pipeline.training.pipelines import Source
from pipeline.training.relay import Relay
from pipeline.training.split_reader import SplitReader, steps_per_call
from pipeline.training.state import drawn_in_words, random_ops
from pipeline.training.streams import opened
from pipeline.training.sums import ordered_sums
from pipeline.training.trace_key import has_own_parts
from pipeline.training.trainer import Trainer
from pipeline.training.validation_batches import in_memory

_OWN = ("fit", "evaluate")


class PipelineTrainer(Trainer):
    """A model trained on pipelines, on the batches that one call of Keras' fit for all epochs would read."""

    def __init__(
        self,
        job: TuneJob,
        config: Config,
        model: keras.Model,
        source: Source,
        *,
        fit: FitArguments,
        seed: int,
        started: float,
        phases: Phases,
    ) -> None:
        self._source, self._job = source, job
        given = source.fresh()
        self._inexact_data = inexact_because(given)
        self._drawn: list[str] | None = None
        """Operations of the model's own code that draw with tf.random; None before the first epoch."""
        self._data = opened(given, batch_size_of(job, config), seed if fit.shuffle else None)
        self._kept: Dataset | None = None
        """The data whose validation batches are in memory if they can be; None before the first validation."""
        train = given.train
        rows = train.rows if isinstance(train, Split | Stream) else None
        steps = None if rows is not None else batches_of(train)
        self._own_fit = any(getattr(type(model), name) is not getattr(keras.Model, name) for name in _OWN)
        why = ", ".join(
            f"the {name} split is a {kind_of(split)}"
            for name, split in given.pipelines.items()
            if name != "test" or len(given.pipelines) == 1
        )
        super().__init__(
            job,
            config,
            model,
            rows=rows,
            fit=fit,
            steps=steps,
            seed=seed,
            started=started,
            trained_with="Keras' fit: the model has its own fit or evaluate"
            if self._own_fit
            else f"the loop of Keras' fit: {why}",
            phases=phases,
        )
        self._open()

    @property
    def inexact(self) -> str | None:
        """Why a resumed trial may differ from an uninterrupted one; None if it does not."""
        if self._own_fit and not self.model.run_eagerly:
            return "the model has its own fit or evaluate, which is called for each epoch"
        return super().inexact or self._inexact_data or drawn_in_words(self._drawn)

    def load(self, checkpoint: Checkpoint, *, exploit: bool = False) -> None:
        """Resume from a state."""
        epochs = int(checkpoint.header["model_epoch"])
        if self._read > epochs:
            self._data = self._fresh()
            self._open()
        self._load_phases(checkpoint)
        if epochs:
            self._build_further_optimizers()
        self._skip(epochs - self._read)
        super().load(checkpoint, exploit=exploit)

    def _fresh(self) -> Dataset:
        """The data, not read yet."""
        return opened(self._source.fresh(), self.batch_size, self.seed if self.fit.shuffle else None)

    def _begin_phase(self) -> None:
        self._skip(self._model_epoch - self._read)
        super()._begin_phase()

    def _build_further_optimizers(self) -> None:
        build_optimizers(self.model, lambda: element_spec(self._train.batches))

    def _recompiled(self) -> None:
        self._begin_fit()

    def _open(self) -> None:
        """Begin to read the data."""
        data = self._data
        self._read = 0
        self._rows = data.train
        if isinstance(data.train, Split):
            self._rows = _rows(data.train, self.batch_size, self.seed if self.fit.shuffle else None)
        self._begin_fit()

    def _begin_fit(self) -> None:
        """Begin a call of fit, which continues the pipelines where they are."""
        model, data = self.model, self._data
        self._build_optimizer(model)
        listens = self.callbacks.per_train_batch or self.callbacks.per_test_batch
        if model.steps_per_execution == 1 and not (listens or model.run_eagerly or tf.distribute.has_strategy()):
            model.steps_per_execution = steps_per_call(data, self.steps, self.fit)
        self._train = SplitReader(
            self._rows,
            model,
            self.batch_size,
            training=True,
            shuffle=self.fit.shuffle,
            steps=self.fit.steps_per_epoch,
            class_weight=self.fit.class_weight,
        )
        self._validation = self._validation_reader(data)
        if not self._own_fit:
            symbolic_build(model, self._train.batches)
            self._train.batches.reset()

    def _validation_reader(self, data: Dataset) -> SplitReader | None:
        if data.validation is None:
            return None
        return SplitReader(
            data.validation, self.model, self.batch_size, training=False, steps=self.fit.validation_steps
        )

    def _keep_validation(self) -> None:
        """Before the first validation: read it from memory from now on, if it is the same in each epoch."""
        several = self.model.distribute_strategy.num_replicas_in_sync > 1
        if self._kept is self._data or self.fit.validation_steps is not None or several:
            return
        kept = in_memory(self._data.validation, memory_for_rows(self._job) / 2)
        if kept is not self._data.validation:
            self._data = replace(self._data, validation=kept)
            self._validation = self._validation_reader(self._data)
        self._kept = self._data

    def _skip(self, epochs: int) -> None:
        """Leave the pipelines as the first epochs would have left them."""
        for epoch in range(self._read, self._read + epochs):
            seed_generators(self.seed, f"epoch {epoch}")
            self._train.skip()
            if self._validation is not None and self.fit.validates(epoch + 1):
                self._validation.skip()
        self._read += epochs

    def _further_state(self) -> list[Any]:
        """Variables of additional optimisers and of the pipelines: neither the model's nor its optimiser's."""
        further = [*further_variables(self.model), *pipeline_variables(self._data)]
        ids = {id(variable) for variable in (*self.model.variables, *self.model.optimizer.variables)}
        return list({id(variable): variable for variable in further if id(variable) not in ids}.values())

    def _epoch(self, index: int) -> tuple[Mapping[str, Any], float, float]:
        with explain_shape_errors(self.model, self._train.inputs), ordered_sums():
            self._read += 1
            return self._fitted(index) if self._own_fit else self._looped(index)

    def _looped(self, index: int) -> tuple[Mapping[str, Any], float, float]:
        model, hooks = self.model, self.callbacks.list
        started = time.perf_counter()
        model.make_train_function()
        model.reset_metrics()
        hooks.on_epoch_begin(index)
        hooks_around = (
            (hooks.on_train_batch_begin, hooks.on_train_batch_end) if self.callbacks.per_train_batch else None
        )
        step_logs = self._train.run(model.train_function, hooks_around, lambda: bool(model.stop_training))
        logs = dict(results_of(model, step_logs))
        if self._drawn is None:
            self._drawn = _drawn(model)
        trained = time.perf_counter()
        if self._validation is not None and self.fit.validates(index + 1):
            self._keep_validation()
            validation = self._evaluated(self._validation)
            logs.update({f"val_{name}": value for name, value in validation.items()})
        evaluated = time.perf_counter()
        return self.callbacks.epoch_end(index, logs), trained - started, evaluated - trained

    def _evaluated(self, feed: SplitReader) -> dict[str, Any]:
        hooks = self.callbacks.list
        hooks.on_test_begin()
        hooks_around = (hooks.on_test_batch_begin, hooks.on_test_batch_end) if self.callbacks.per_test_batch else None
        logs = self._run_validation(feed, hooks_around)
        hooks.on_test_end(logs)
        return logs

    def _run_validation(self, feed: SplitReader, hooks_around: tuple[Any, Any] | None) -> dict[str, Any]:
        model = self.model
        symbolic_build(model, feed.batches)
        feed.batches.reset()
        model.make_test_function()
        model.stop_evaluating = False
        model.reset_metrics()
        step_logs = feed.run(model.test_function, hooks_around, lambda: bool(model.stop_evaluating))
        logs: dict[str, Any] = plain_logs(results_of(model, step_logs))
        return logs

    def _validation_metrics(self) -> Mapping[str, Any]:
        if self._validation is None:
            return {}
        # Separate pipelines: those of the trial are where fit would have them.
        feed = self._validation_reader(self._fresh())
        assert feed is not None
        with explain_shape_errors(self.model, feed.inputs), ordered_sums():
            return self._run_validation(feed, None)

    def _fitted(self, index: int) -> tuple[Mapping[str, Any], float, float]:
        relay, started = Relay(self.callbacks), time.perf_counter()
        validation = self._validation.given if self._validation is not None else None
        given = dict(self._train.given)
        # Only what the job gives: a fit of the model's own may know fewer arguments.
        if self.fit.class_weight is not None:
            given["class_weight"] = dict(self.fit.class_weight)
        if not self.fit.shuffle:
            given["shuffle"] = False
        if self.fit.steps_per_epoch is not None:
            given["steps_per_epoch"] = self.fit.steps_per_epoch
        if self.fit.validation_steps is not None:
            given["validation_steps"] = self.fit.validation_steps
        if validation is not None and self.fit.validates(index + 1):
            given["validation_data"] = tuple(validation.values())[:3] if "y" in validation else validation["x"]
        self.model.fit(**given, epochs=index + 1, initial_epoch=index, verbose=0, callbacks=relay)
        return relay.on_epoch, time.perf_counter() - started, 0.0


def _drawn(model: keras.Model) -> list[str]:
    """Operations of a training step that draw with tf.random; layers and losses of Keras have none."""
    if model.run_eagerly or not has_own_parts(model):
        return []
    operations = {name for function in traced_functions(model.train_function) for name in random_ops(function)}
    return sorted(operations)


def _rows(split: Split, batch_size: int, seed: int | None) -> Any:
    """Arrays as a pipeline of batches, whose rows come in another order for each iterator unless the seed is None."""
    if seed is None:
        return tf.data.Dataset.from_tensor_slices(as_batch(split)).batch(batch_size)
    rows = keras.tree.map_structure(tf.constant, as_batch(split))

    def orders(number: Any) -> Any:
        order = tf.random.experimental.stateless_shuffle(tf.range(split.rows), tf.stack([number, 0]))
        return tf.data.Dataset.from_tensor_slices(order).batch(batch_size)

    picked = iterator_numbers(seed).take(1).flat_map(orders)
    picked = picked.apply(tf.data.experimental.assert_cardinality(steps_of(split.rows, batch_size)))
    return picked.map(lambda places: tf.nest.map_structure(lambda array: tf.gather(array, places), rows))
