"""A job's pipelines as Keras takes them, made again for each model that reads them; streams of files as pipelines."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.datasets import Dataset, Split, Stream, is_tf_data, kind_of
from pipeline.training import arrays
from pipeline.training.internals import (
    batch_signature,
    captured_variables,
    pipeline_functions,
    pipeline_inputs,
    reshuffles,
)

_SIGNATURE_BATCHES = 8
"""Batches from which the specification of a generator's batches is derived: Keras' fit takes two, and fails where later
ones have other sizes."""


class Source:
    """A job's pipelines, created again for each model: a pipeline that was read continues where the reader stopped."""

    def __init__(
        self, load: Callable[[], Dataset], data: Dataset | None = None, *, discard_first: bool = False
    ) -> None:
        self._load, self._unread, self._discard_first = load, data, discard_first
        self._example: Any = None

    def fresh(self) -> Dataset:
        """Pipelines that were not read yet."""
        data, self._unread = self._unread, None
        return self._loaded() if data is None else data

    def prepare(self) -> None:
        """Make the pipelines of the next model, so that the data function is not called after the model is built."""
        if self.example is not None and self._unread is None:
            self._unread = self._loaded()

    def _loaded(self) -> Dataset:
        if self._discard_first:
            self._discard_first = False
            self._load()
        return self._load()

    @property
    def example(self) -> Any:
        """Inputs of one row, for a model that learns its shapes from them: zeros if the shapes are known."""
        if self._example is None:
            data = self.fresh()
            self._example = _zeros(data.train)
            if self._example is None:
                self._example = example_of(data.train)
            else:
                self._unread = data
        return self._example


def as_fit_takes_it(pipeline: Any) -> Any:
    """A pipeline as Keras' fit and evaluate take it: a generator function as a tf.data.Dataset."""
    return _from_generator(pipeline) if kind_of(pipeline) == "generator function" else pipeline


def example_of(split: Any) -> Any:
    """Inputs by which a model learns its shapes: those of one row of arrays, or of a pipeline's first batch."""
    if isinstance(split, Split):
        return arrays.first_inputs(split)
    pipeline = as_fit_takes_it(streamed(split, 1) if isinstance(split, Stream) else split)
    batch = pipeline[0] if isinstance(pipeline, keras.utils.PyDataset) else next(iter(pipeline))
    inputs = keras.utils.unpack_x_y_sample_weight(batch)[0]
    return keras.tree.map_structure(
        lambda array: array if isinstance(array, tf.SparseTensor) else tf.convert_to_tensor(array), inputs
    )


def _zeros(split: Any) -> Any:
    if isinstance(split, Split):
        return arrays.first_inputs(split)
    if not is_tf_data(split):
        return None
    inputs = keras.utils.unpack_x_y_sample_weight(split.element_spec)[0]
    specs = keras.tree.flatten(inputs)
    if not all(isinstance(s, tf.TensorSpec) and s.shape.rank and None not in s.shape[1:] for s in specs):
        return None
    return keras.tree.map_structure(lambda spec: tf.zeros([1, *spec.shape[1:]], spec.dtype), inputs)


def _from_generator(function: Callable[[], Any]) -> Any:
    def batches() -> Iterator[Any]:
        for batch in function():
            given = tuple(batch) if isinstance(batch, list) else batch
            # Weights may be None.
            yield given[:-1] if isinstance(given, tuple) and given[-1] is None else given

    first = [batch for _, batch in zip(range(_SIGNATURE_BATCHES), batches(), strict=False)]
    signature = batch_signature(first)
    return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(tf.data.AUTOTUNE)


# Streams of Parquet files.


def opened(data: Dataset, batch_size: int) -> Dataset:
    """A data set whose streams are pipelines of batches in the files' order; other splits stay as they are."""
    streams = {name: split for name, split in data.splits.items() if isinstance(split, Stream)}
    return replace(data, **{name: streamed(split, batch_size) for name, split in streams.items()})


def streamed(stream: Stream, batch_size: int, order: Callable[[], Any] = lambda: None) -> tf.data.Dataset:
    """A stream as a pipeline; `order` returns the seed of the order in which an iterator reads the rows."""

    def spec(array: np.ndarray) -> tf.TensorSpec:
        return tf.TensorSpec((None, *array.shape[1:]), tf.string if array.dtype.hasobject else tf.float32)

    x, y = next(stream.batches(1))
    rows = tf.data.Dataset.from_generator(
        lambda: stream.batches(batch_size, order()), output_signature=(keras.tree.map_structure(spec, x), spec(y))
    )
    rows = rows.apply(tf.data.experimental.assert_cardinality(arrays.steps_of(stream.rows, batch_size)))
    return rows.prefetch(tf.data.AUTOTUNE)


# What the stages of a tf.data pipeline say of it.


def pipeline_variables(data: Dataset) -> list[Any]:
    """The variables that functions of tf.data pipelines change, such as the seed generators of Keras' layers."""
    variables: dict[int, Any] = {}
    for name, split in data.pipelines.items():
        for stage in _stages(split) if name != "test" and isinstance(split, tf.data.Dataset) else ():
            for function in pipeline_functions(stage):
                # A graph lists its variables in another order in another process, and a user's may share a name.
                variables.update(
                    {id(v.handle): v for v in (*captured_variables(function.graph), *function.graph.variables)}
                )
    return sorted(variables.values(), key=lambda variable: str(variable.name))


def batches_to_skip(dataset: Any) -> int:
    """How many batches an iterator must read to leave a pipeline as a whole epoch would.

    The order of a shuffle is drawn when its input begins: for the last one when the iterator is made, for those before
    it with the first element. A shuffle before `repeat` or `concatenate` draws later ones, which are not drawn again.
    """
    return int(sum(map(reshuffles, _stages(dataset))) > 1)


def _stages(dataset: Any) -> Iterator[Any]:
    """The pipelines of which a tf.data pipeline is made, from itself to its sources."""
    yield dataset
    for source in pipeline_inputs(dataset):
        yield from _stages(source)
