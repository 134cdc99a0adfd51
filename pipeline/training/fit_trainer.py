"""Training by Keras' fit, one call for each epoch, where an epoch cannot be one compiled function."""

import time
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.datasets import Dataset, Split, batches_of
from pipeline.training.arrays import (
    WHOLE,
    Fold,
    as_batch,
    as_fit_takes_it,
    nested,
    span_of,
    steps_of,
    with_text_as_tensors,
)
from pipeline.training.callbacks import Relay, with_batch_hooks
from pipeline.training.internals import keep_averages_apart, ordered_sums
from pipeline.training.pipelines import PipelineReader, Source, pipeline_variables
from pipeline.training.process import seed_generators
from pipeline.training.state import build_further_optimizers, further_variables, skip_reductions, variables_of
from pipeline.training.trainer import Trainer

_STEPS_PER_CALL = 64
"""Steps that one call of Keras' training function runs: fewer calls from Python, the same results.

With one step for each call, a pipeline of unknown length ends in a step that fails, but moves counters and generators.
"""


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
        self._open(data)

    def _open(self, data: Dataset) -> None:
        """Begin to read a data set that is not read yet."""
        self._data, self._read = data, 0
        if isinstance(self._data.train, Split):
            self._arrays = self._arrays_of(self._data.train)
        self._recompiled()

    def _recompiled(self) -> None:
        """Begin another call of fit for several epochs: it continues the pipelines where they are."""
        model, fit, data = self.model, self.fit, self._data
        skip_reductions(model)
        with model.distribute_strategy.scope():
            # The first step would build it otherwise.
            model.optimizer.build(model.trainable_variables)
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
            if self._read > epochs:
                self._open(self._source.fresh())
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
            return tf.TensorSpec([None, *array.shape[1:]], tf.convert_to_tensor(array[:1]).dtype)

        return keras.tree.map_structure(spec, as_batch(self._data.train))

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

    def __init__(self, arrays: Any, order: np.ndarray, batch_size: int) -> None:
        super().__init__()
        self._arrays, self._order, self._batch_size = arrays, order, batch_size

    def __len__(self) -> int:
        return steps_of(len(self._order), self._batch_size)

    def __getitem__(self, index: int) -> Any:
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        batch = keras.tree.map_structure(lambda array: array[rows], self._arrays)
        return with_text_as_tensors(as_fit_takes_it(batch))
