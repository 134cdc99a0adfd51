"""A job's pipelines as Keras takes them, made again for each model that reads them, and read epoch by epoch."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import keras
import tensorflow as tf

from pipeline.datasets import Dataset, Split, is_endless, is_tf_data, kind_of
from pipeline.errors import DataError
from pipeline.training.arrays import first_inputs
from pipeline.training.internals import (
    batch_signature,
    captured_variables,
    data_adapter,
    pipeline_functions,
    pipeline_stages,
    python_functions,
    reshuffles,
)

_SIGNATURE_BATCHES = 8
"""Batches from which the specification of a generator's batches is derived: Keras' fit takes two, and fails where later
ones have other sizes."""


class Source:
    """A job's pipelines, created again for each model: a pipeline that was read continues where the reader stopped.

    `first` are those of the data function's first call in this process; None if it was not called yet.
    """

    def __init__(self, load: Callable[[], Dataset], first: Dataset | None) -> None:
        self._load, self._first = load, first
        self._unread: Dataset | None = None

    @cached_property
    def example(self) -> Any:
        """Inputs for a model that learns its shapes from them; no model is trained on the first call's pipelines."""
        # Kept, these would be the data of one config for as long as the process runs.
        data, self._first = self._first or self._load(), None
        train = data.train
        zeros = _zeros(train)
        return example_of(train) if zeros is None else zeros

    def prepare(self) -> None:
        """Make the pipelines of the next model, so that the data function is not called after the model is built."""
        if self.example is not None and self._unread is None:
            self._unread = self._load()

    def fresh(self) -> Dataset:
        """Pipelines that were not read yet."""
        self.prepare()
        data, self._unread = self._unread, None
        assert data is not None
        return data


def with_generator_as_dataset(pipeline: Any) -> Any:
    """A pipeline as Keras' fit and evaluate take it: a generator function as a tf.data.Dataset."""
    return _from_generator(pipeline) if kind_of(pipeline) == "generator function" else pipeline


def example_of(split: Any) -> Any:
    """Inputs by which a model learns its shapes: those of one row of arrays, or of a pipeline's first batch."""
    if isinstance(split, Split):
        return first_inputs(split)
    pipeline = with_generator_as_dataset(split)
    batch = pipeline[0] if isinstance(pipeline, keras.utils.PyDataset) else next(iter(pipeline), None)
    if batch is None:
        raise DataError("The train split has no batches: check the files that it reads and what it filters.")
    inputs = keras.utils.unpack_x_y_sample_weight(batch)[0]
    return keras.tree.map_structure(
        lambda array: array if isinstance(array, tf.SparseTensor) else tf.convert_to_tensor(array), inputs
    )


def _zeros(split: Any) -> Any:
    """Inputs of one row with the shapes that a pipeline states; None if it does not, and has to be read."""
    if not is_tf_data(split):
        return None
    inputs = keras.utils.unpack_x_y_sample_weight(split.element_spec)[0]
    specs = keras.tree.flatten(inputs)
    if not all(isinstance(s, tf.TensorSpec) and s.shape.rank and None not in s.shape[1:] for s in specs):
        return None
    # The first batch may take long: a shuffle fills its buffer before it.
    return keras.tree.map_structure(lambda spec: tf.zeros([1, *spec.shape[1:]], spec.dtype), inputs)


def _from_generator(function: Callable[[], Any]) -> Any:
    def batches() -> Iterator[Any]:
        for batch in function():
            given = tuple(batch) if isinstance(batch, list) else batch
            # Weights may be None.
            yield given[:-1] if isinstance(given, tuple) and given[-1] is None else given

    first = [batch for _, batch in zip(range(_SIGNATURE_BATCHES), batches(), strict=False)]
    signature = batch_signature(first)
    with python_functions() as functions:
        dataset = tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(tf.data.AUTOTUNE)
    dataset.functions = functions
    return dataset


_END = object()


class PipelineReader:
    """A pipeline that fit reads in one call for each epoch, with the batches that one call for all would read.

    A call of fit gets `dataset`, and `steps` if it is not read to its end.
    """

    def __init__(
        self,
        split: Any,
        *,
        training: bool,
        shuffle: bool = False,
        steps: int | None = None,
        class_weight: Mapping[int, float] | None = None,
    ) -> None:
        if steps is None and is_endless(split):
            field = "steps_per_epoch" if training else "validation_steps"
            raise DataError(
                f"A {kind_of(split)} of the data set is endless. Set the number of its batches with Fit({field}=…), or "
                "let it end."
            )
        pipeline = with_generator_as_dataset(split)
        self._is_tf_data = is_tf_data = isinstance(pipeline, tf.data.Dataset)
        shuffle = shuffle and not is_tf_data and pipeline.num_batches is not None
        self._adapter = data_adapter(pipeline, shuffle=shuffle, class_weight=class_weight)
        self._batches: int | None = self._adapter.num_batches
        with python_functions() as self._functions:
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
            with python_functions() as self._own_functions:
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
                self._rest = None

    def skip(self) -> None:
        """Advance the pipeline by an epoch, and read no more than necessary."""
        self.begin()
        if self._continues:
            for _ in self._next_batches():
                pass
        elif self._is_tf_data:
            iterator = iter(self._pipeline)
            for _ in itertools.islice(iterator, _batches_to_skip(self._pipeline)):
                pass
            if self._batches is not None and (self._limit is None or self._limit >= self._batches):
                # Fit makes another one at the end of an epoch whose length it knows.
                iter(self._pipeline)
        self.end()

    def _next_batches(self) -> Iterator[Any]:
        if self._rest is None:
            self._rest = iter(self._pipeline)
        read, steps = 0, self.steps
        while steps is None or read < steps:
            batch = next(self._rest, _END)
            if batch is _END:
                if read or self._batches is not None:
                    break
                # The epoch before read the last one.
                self._rest = iter(self._pipeline)
                batch = next(self._rest, _END)
                if batch is _END:
                    break
            read += 1
            yield batch
        if self._batches is None and read < (self._limit or 0):
            self._rest = None


# What the stages of a tf.data pipeline say of it.


def pipeline_variables(data: Dataset) -> list[Any]:
    """The variables that functions of tf.data pipelines change, such as the seed generators of Keras' layers."""
    variables: dict[int, Any] = {}
    for name, split in data.pipelines.items():
        for stage in pipeline_stages(split) if name != "test" and isinstance(split, tf.data.Dataset) else ():
            for function in pipeline_functions(stage):
                # A graph lists its variables in another order in another process, and a user's may share a name.
                variables.update(
                    {id(v.handle): v for v in (*captured_variables(function.graph), *function.graph.variables)}
                )
    return sorted(variables.values(), key=lambda variable: str(variable.name))


def _batches_to_skip(dataset: Any) -> int:
    """How many batches an iterator must read to leave a pipeline as a whole epoch would.

    The order of a shuffle is drawn when its input begins: for the last one when the iterator is made, for those before
    it with the first element. A shuffle before `repeat` or `concatenate` draws later ones, which are not drawn again.
    """
    return int(sum(map(reshuffles, pipeline_stages(dataset))) > 1)
