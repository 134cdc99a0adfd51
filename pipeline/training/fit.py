"""A trial by way of Keras' own fit: for what cannot be one compiled function."""

import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from pipeline.datasets import Dataset
from pipeline.space import Config
from pipeline.study import TuneJob
from pipeline.training.callbacks import Relay
from pipeline.training.folds import Fold
from pipeline.training.inputs import inputs_told
from pipeline.training.resident import as_batch
from pipeline.training.trainer import Trainer, order_of

__all__ = ["FitTrainer", "reason_for_fit"]


def reason_for_fit(model: keras.Model) -> str | None:
    """Why a model is trained by Keras' own fit; None where its epoch can be compiled."""
    if model.run_eagerly:
        return "the model is compiled with run_eagerly=True"
    for method in ("fit", "make_train_function", "make_test_function", "evaluate"):
        if getattr(type(model), method) is not getattr(keras.Model, method) or method in vars(model):
            return f"the model has a {method} of its own"
    return None


class FitTrainer(Trainer):
    """A model trained by fit, one epoch a call, on the same batches that a compiled epoch has.

    Args:
        job: The study's job.
        config: The trial's config.
        model: Compiled and built.
        data: The data set.
        fold: Which of its rows to learn from, and which to be compared by.
        seed: Where shuffling comes from.
        started: When building the model began.
        stream: Leave the arrays where they are, and hand out one batch at a time.
    """

    def __init__(
        self,
        job: TuneJob,
        config: Config,
        model: keras.Model,
        data: Dataset,
        fold: Fold,
        *,
        seed: int,
        started: float,
        stream: bool,
    ) -> None:
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)
        rows = data.train.rows if fold.train is None else len(fold.train)
        super().__init__(job, config, model, rows=rows, seed=seed, started=started)
        self._train, self._rows = as_batch(data.train), fold.train
        self._validation, compared = as_batch(data.validation), np.arange(data.validation.rows)
        if fold.validation is not None:
            self._validation, compared = self._train, fold.validation
        if stream:
            self._validation = _Batches(self._validation, compared, self.batch_size)
        elif fold.validation is not None:
            self._validation = keras.tree.map_structure(lambda array: array[compared], self._validation)
        self._stream = stream
        self._finished = False

    @property
    def inexact(self) -> str | None:
        """Why going on from a saved state may differ from never having stopped; None where it does not."""
        if self.model.run_eagerly:
            return "it runs eagerly: what its code keeps outside of Keras' variables is not saved"
        return self.callbacks.forgetful

    def close(self) -> None:
        """Training is over: callbacks hear of it, once."""
        if self._finished:
            return
        self._finished = True
        if self._model_epoch:
            with self.model.distribute_strategy.scope():
                self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        super().close()

    def _epoch(self, index: int) -> tuple[Mapping[str, Any], float, float]:
        relay = _Timed(self.callbacks)
        optimizer = self.model.optimizer
        order = order_of(self.rows, self.seed, index)
        order = order if self._rows is None else self._rows[order]
        if self._stream:
            given: dict[str, Any] = {"x": _Batches(self._train, order, self.batch_size)}
        else:
            x, y, *weight = keras.tree.map_structure(lambda array: array[order], self._train)
            given = {"x": x, "y": y, "sample_weight": weight[0] if weight else None, "batch_size": self.batch_size}
        given["validation_data"] = self._validation
        started = time.perf_counter()
        # Fit would put averaged weights in place at the end of each of its calls; here only close does.
        optimizer.finalize_variable_values = lambda _variables: None
        try:
            with inputs_told(self.model, self._train[0]):
                self.model.fit(
                    **given, epochs=index + 1, initial_epoch=index, shuffle=False, verbose=0, callbacks=relay
                )
        finally:
            del optimizer.finalize_variable_values
        seconds = time.perf_counter() - started
        return relay.on_epoch, seconds - relay.seconds_evaluate, relay.seconds_evaluate


class _Timed(Relay):
    """Tells how long validation took."""

    seconds_evaluate = 0.0

    def on_test_begin(self, logs: Any = None) -> None:
        self._started = time.perf_counter()
        super().on_test_begin(logs)

    def on_test_end(self, logs: Any = None) -> None:
        super().on_test_end(logs)
        self.seconds_evaluate = time.perf_counter() - self._started


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Arrays, one batch at a time."""

    def __init__(self, arrays: Any, order: np.ndarray, batch_size: int) -> None:
        super().__init__()
        self._arrays, self._order, self._batch_size = arrays, order, batch_size

    def __len__(self) -> int:
        return -(-len(self._order) // self._batch_size)

    def __getitem__(self, index: int) -> Any:
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        return keras.tree.map_structure(lambda array: array[rows], self._arrays)
