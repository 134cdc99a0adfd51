"""Training by Keras' fit, for models whose epoch cannot be one compiled function."""

import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.datasets import Dataset
from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.study import TuneJob
from pipeline.training.device_data import as_batch, as_fit_takes_it, nested, with_text_as_tensors
from pipeline.training.epoch_rows import span_of, steps_of
from pipeline.training.fit_arguments import FitArguments
from pipeline.training.folds import Fold
from pipeline.training.further_state import build_optimizers, further_variables
from pipeline.training.inputs import explain_shape_errors
from pipeline.training.internals import keep_averages_apart
from pipeline.training.phases import Phases
from pipeline.training.pipelines import batch_spec
from pipeline.training.relay import Relay
from pipeline.training.sums import ordered_sums
from pipeline.training.trainer import Trainer


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
    """A model trained by fit, one epoch per call, on the same batches as a compiled epoch."""

    def __init__(
        self,
        job: TuneJob,
        config: Config,
        model: keras.Model,
        data: Dataset,
        fold: Fold,
        *,
        fit: FitArguments,
        seed: int,
        started: float,
        stream: bool,
        reason: str,
        phases: Phases,
    ) -> None:
        self._build_optimizer(model)
        rows = data.train.rows if fold.train is None else len(fold.train)
        super().__init__(
            job,
            config,
            model,
            rows=rows,
            fit=fit,
            seed=seed,
            started=started,
            trained_with=f"Keras' fit: {reason}",
            phases=phases,
        )
        # Arrays that are read in place are cast one batch at a time.
        arrays_of = nested if stream else as_batch
        self._split, self._train, self._rows = data.train, arrays_of(data.train), fold.train
        self._validation: Any = None
        compared = np.arange(0)
        if data.validation is not None:
            self._validation, compared = arrays_of(data.validation), np.arange(data.validation.rows)
        if fold.validation is not None:
            self._validation, compared = self._train, fold.validation
        if fit.validation_steps is not None:
            compared = compared[: fit.validation_steps * self.batch_size]
        if stream and self._validation is not None:
            self._validation = _Batches(self._validation, compared, self.batch_size)
        elif self._validation is not None and (fold.validation is not None or fit.validation_steps is not None):
            self._validation = keras.tree.map_structure(lambda array: array[compared], self._validation)
        if self._validation is not None and not stream:
            self._validation = with_text_as_tensors(self._validation)
        self._stream = stream

    @property
    def _steps_known(self) -> bool:
        """Whether training is made of the model's train_step, and that can be traced."""
        model = self.model
        mirrored = model.distribute_strategy.num_replicas_in_sync > 1
        return not (model.run_eagerly or mirrored or type(model).fit is not keras.Model.fit)

    @property
    def train_data(self) -> Any:
        """Inputs, targets and weights of the training part as the data set has them, not copied."""
        return self._train

    def load(self, checkpoint: Checkpoint, *, exploit: bool = False) -> None:
        """Resume from a state."""
        self._load_phases(checkpoint)
        if int(checkpoint.header["model_epoch"]):
            self._build_further_optimizers()
        super().load(checkpoint, exploit=exploit)

    def _further_state(self) -> list[Any]:
        return further_variables(self.model) if self._steps_known else []

    def _build_further_optimizers(self) -> None:
        if self._steps_known:
            build_optimizers(self.model, lambda: batch_spec(self._split))

    def _recompiled(self) -> None:
        self._build_optimizer(self.model)

    def _epoch(self, index: int) -> tuple[Mapping[str, Any], float, float]:
        relay = _ValidationTimer(self.callbacks)
        passes, first, last = span_of(index, steps_of(self.rows, self.batch_size), self.fit.steps_per_epoch)
        order = self._order(passes)[first * self.batch_size : last * self.batch_size]
        order = order if self._rows is None else self._rows[order]
        if self._stream:
            given: dict[str, Any] = {"x": _Batches(self._train, order, self.batch_size)}
        else:
            rows = keras.tree.map_structure(lambda array: array[order], self._train)
            x, y, weight = keras.utils.unpack_x_y_sample_weight(with_text_as_tensors(rows))
            given = {"x": x, "y": y, "sample_weight": weight, "batch_size": self.batch_size}
        given["validation_data"] = self._validation
        # Only what the job gives: a fit of the model's own may know fewer arguments.
        if self.fit.class_weight is not None:
            given["class_weight"] = dict(self.fit.class_weight)
        if not self.fit.validates(index + 1):
            given["validation_data"] = None
        started = time.perf_counter()
        # Fit would put averaged weights in place at the end of each of its calls; here only close does.
        inputs = keras.utils.unpack_x_y_sample_weight(self._train)[0]
        with keep_averages_apart(self.model.optimizer), explain_shape_errors(self.model, inputs), ordered_sums():
            self.model.fit(**given, epochs=index + 1, initial_epoch=index, shuffle=False, verbose=0, callbacks=relay)
        seconds = time.perf_counter() - started
        return relay.on_epoch, seconds - relay.seconds_evaluate, relay.seconds_evaluate

    def _validation_metrics(self) -> Mapping[str, Any]:
        if self._validation is None:
            return {}
        x, y, weight = (
            (self._validation, None, None) if self._stream else keras.utils.unpack_x_y_sample_weight(self._validation)
        )
        size = {} if self._stream else {"batch_size": self.batch_size}
        with ordered_sums():
            metrics: Mapping[str, Any] = self.model.evaluate(
                x, y, sample_weight=weight, verbose=0, return_dict=True, **size
            )
        return metrics


class _ValidationTimer(Relay):
    """Measures the seconds of validation."""

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
        batch = keras.tree.map_structure(lambda array: array[rows], self._arrays)
        return with_text_as_tensors(as_fit_takes_it(batch))
