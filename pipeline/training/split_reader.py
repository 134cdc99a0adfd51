"""The batches of a split as Keras' fit reads them, epoch by epoch; a resumed trial skips those it has read."""

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf

from pipeline.datasets import Dataset, Split, batches_of, is_endless
from pipeline.training.device_data import as_batch, with_text_as_tensors
from pipeline.training.fit_arguments import FitArguments
from pipeline.training.internals import element_spec, epoch_iterator, iterable_of
from pipeline.training.pipeline_state import Reading, reading_to_skip
from pipeline.training.pipelines import as_fit_takes_it

_STEPS_PER_CALL = 64
"""Steps that one call of Keras' training function runs: fewer calls from Python, the same results.

With one step for each call, a pipeline of unknown length ends in a step that fails, but moves counters and generators.
"""


def steps_per_call(data: Dataset, batches: int | None, fit: FitArguments) -> int:
    """Steps that one call of Keras' training and test function may run without a change in what an epoch reads."""
    limits = [steps for steps in (fit.steps_per_epoch, fit.validation_steps) if steps is not None]
    if not limits:
        return max(1, min(_STEPS_PER_CALL, batches or _STEPS_PER_CALL))
    for split in (data.train, data.validation):
        # Keras counts such a pipeline's batches by calls.
        if split is not None and not isinstance(split, Split) and batches_of(split) is None and not is_endless(split):
            return 1
    common = math.gcd(*limits)
    return max(steps for steps in range(1, _STEPS_PER_CALL + 1) if common % steps == 0)


class SplitReader:
    """The batches of a split, read epoch by epoch."""

    def __init__(
        self,
        split: Any,
        model: keras.Model,
        batch_size: int,
        *,
        training: bool,
        shuffle: bool = True,
        steps: int | None = None,
        class_weight: Mapping[int, float] | None = None,
    ) -> None:
        self._pipeline = as_fit_takes_it(split) if not isinstance(split, Split) else None
        self.given: dict[str, Any] = {"x": self._pipeline}
        if isinstance(split, Split):
            x, y, weight = keras.utils.unpack_x_y_sample_weight(with_text_as_tensors(as_batch(split)))
            self.given = {"x": x, "y": y, "sample_weight": weight, "batch_size": batch_size}
        self.batches: Any = epoch_iterator(
            **self.given,
            shuffle=training and shuffle and isinstance(self._pipeline, keras.utils.PyDataset),
            steps_per_epoch=steps,
            class_weight=None if class_weight is None else dict(class_weight),
            distribute_strategy=model.distribute_strategy,
            steps_per_execution=model.steps_per_execution,
        )
        spec = element_spec(self.batches)
        self.inputs = keras.utils.unpack_x_y_sample_weight(spec)[0]
        self._each_epoch, self._limited = not training, steps is not None
        tf_data = isinstance(self._pipeline, tf.data.Dataset)
        self._reading: Reading = reading_to_skip(self._pipeline) if tf_data else "nothing"

    def run(self, function: Any, hooks_around: tuple[Any, Any] | None, stopped: Callable[[], bool]) -> Any:
        """Read an epoch.

        Args:
            function: Keras' training or test function.
            hooks_around: Hooks before and after each call of it; None if no callback listens.
            stopped: Whether a callback has ended the epoch.

        Returns:
            The logs of the last step.
        """
        logs: Any = {}
        with _quiet(), self.batches.catch_stop_iteration():
            for first, last, iterator in self.batches:
                if hooks_around is not None:
                    hooks_around[0](first)
                logs = function(iterator)
                if hooks_around is not None:
                    hooks_around[1](last, logs)
                    if stopped():
                        break
        return logs

    def skip(self) -> None:
        """Advance the split by an epoch, and read no more than necessary."""
        if self._limited:
            self._read_through()
            return
        if self._each_epoch:
            self._epoch_end()
        if isinstance(self._pipeline, keras.utils.PyDataset):
            self._pipeline.on_epoch_begin()
        else:
            iterator = iter(iterable_of(self.batches))
            for _ in zip(range(1), iterator, strict=False) if self._reading == "first" else ():
                pass
            for _ in iterator if self._reading == "all" else ():
                pass
            if self.batches.num_batches is not None:
                # Keras makes another one at the end of an epoch whose length it knows.
                iter(iterable_of(self.batches))
        self._epoch_end()

    def _read_through(self) -> None:
        """Read an epoch: one that begins in the middle of a pass can only be skipped by reading it."""
        if self._each_epoch:
            self.batches.reset()
        with _quiet(), self.batches.catch_stop_iteration():
            for _first, _last, iterator in self.batches:
                next(iterator)
                for _ in range(self.batches.steps_per_execution - 1):
                    if not iterator.get_next_as_optional().has_value():
                        break

    def _epoch_end(self) -> None:
        if isinstance(self._pipeline, keras.utils.PyDataset):
            self._pipeline.on_epoch_end()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress Keras' warning about an epoch of unknown length, which ends with its data."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Your input ran out of data")
        yield
