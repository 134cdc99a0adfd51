"""A pipeline that Keras' fit reads in one call for each epoch, with the batches that one call for all would read."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from pipeline.datasets import Stream, is_endless, kind_of
from pipeline.errors import DataError
from pipeline.training.internals import data_adapter
from pipeline.training.pipelines import as_fit_takes_it, batches_to_skip, streamed


class PipelineReader:
    """A pipeline, epoch by epoch: fit gets `dataset`, and `steps` if it is not read to its end."""

    def __init__(
        self,
        split: Any,
        *,
        training: bool,
        shuffle: bool = False,
        steps: int | None = None,
        class_weight: Mapping[int, float] | None = None,
        batch_size: int = 1,
        seed: int = 0,
    ) -> None:
        if steps is None and is_endless(split):
            field = "steps_per_epoch" if training else "validation_steps"
            raise DataError(
                f"A {kind_of(split)} of the data set is endless. Set the number of its batches with Fit({field}=…), or "
                "let it end."
            )
        self._passes = 0
        if isinstance(split, Stream):
            # The order of a pass is that of its number, so there is no iterator to save.
            pipeline = streamed(split, batch_size, lambda: [seed, self._passes] if shuffle else None)
        else:
            pipeline = as_fit_takes_it(split)
        is_tf_data = isinstance(pipeline, tf.data.Dataset)
        self._skips = is_tf_data and not isinstance(split, Stream)
        self._batches_to_skip = batches_to_skip(pipeline) if self._skips else 0
        shuffle = shuffle and not is_tf_data and pipeline.num_batches is not None
        self._adapter = data_adapter(pipeline, shuffle=shuffle, class_weight=class_weight)
        self._batches: int | None = self._adapter.num_batches
        self.dataset = self._pipeline = self._adapter.get_tf_dataset()
        if self._batches is not None and not is_tf_data:
            self.dataset = self._pipeline = self._pipeline.apply(tf.data.experimental.assert_cardinality(self._batches))
        self.spec = self._pipeline.element_spec
        # Each validation begins at the start of the pipeline; each epoch of training where the one before ended.
        self._training, self._limit = training, steps
        self._continues = training and steps is not None
        self._rest: Iterator[Any] | None = None
        self._seen = 0
        if self._continues:
            self.dataset = tf.data.Dataset.from_generator(self._next_batches, output_signature=self.spec)
        if training:
            # As fit does before its first epoch.
            self._adapter.on_epoch_end()

    @property
    def steps(self) -> int | None:
        """The steps of the next epoch; None if it reads the pipeline to its end."""
        if not self._continues or self._batches is None or self._limit is None:
            return self._limit
        return min(self._limit, self._batches - self._seen % self._batches)

    def begin(self) -> None:
        if not self._training:
            # As `evaluate` does.
            self._adapter.on_epoch_end()
        self._adapter.on_epoch_begin()

    def end(self) -> None:
        self._adapter.on_epoch_end()
        if self._continues and self._batches is not None:
            self._seen += self.steps or 0
            if self._seen % self._batches == 0:
                self._begin_pass()
        elif not self._continues:
            self._passes += 1

    def skip(self) -> None:
        """Advance the pipeline by an epoch, and read no more than necessary."""
        self.begin()
        if self._continues:
            for _ in self._next_batches():
                pass
        elif self._skips:
            iterator = iter(self._pipeline)
            for _ in itertools.islice(iterator, self._batches_to_skip):
                pass
            if self._batches is not None:
                # Fit makes another one at the end of an epoch whose length it knows.
                iter(self._pipeline)
        self.end()

    def _next_batches(self) -> Iterator[Any]:
        if self._rest is None:
            self._rest = iter(self._pipeline)
        read = 0
        for batch in itertools.islice(self._rest, self.steps):
            read += 1
            yield batch
        if self._batches is None and read < (self._limit or 0):
            self._begin_pass()

    def _begin_pass(self) -> None:
        self._rest, self._passes = None, self._passes + 1
