"""A job's pipelines as Keras takes them, made again for each model that reads them."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.datasets import GENERATOR, PY_DATASET, STREAM, TF_DATA, Dataset, Split, Stream, kind_of
from pipeline.training import device_data
from pipeline.training.internals import batch_signature
from pipeline.training.streams import opened

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
        self._batch: Any = None

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

    @property
    def batch(self) -> Any:
        """The specification of a batch of the training, as for `batch_spec`."""
        if self._batch is None:
            data = self.fresh()
            self._batch = batch_spec(data.train)
            if kind_of(data.train) == TF_DATA:
                # Its specification is known without reading it.
                self._unread = data
        return self._batch


def as_fit_takes_it(pipeline: Any) -> Any:
    """A pipeline as Keras' fit and evaluate take it: a generator function as a tf.data.Dataset."""
    return _from_generator(pipeline) if kind_of(pipeline) == GENERATOR else pipeline


def evaluated(model: keras.Model, split: Any) -> dict[str, Any]:
    """A compiled model's metrics over a pipeline."""
    metrics: dict[str, Any] = model.evaluate(as_fit_takes_it(split), verbose=0, return_dict=True)
    return metrics


def example_of(split: Any, *, rows: int = 1) -> Any:
    """The inputs of the first rows, as tensors; of a pipeline, no more than its first batch has."""
    if isinstance(split, Split):
        return device_data.example_of(split, rows=rows)
    if isinstance(split, Stream):
        split = opened(Dataset(train=split), rows, 0).train
    pipeline = as_fit_takes_it(split)
    batch = pipeline[0] if isinstance(pipeline, keras.utils.PyDataset) else next(iter(pipeline))
    inputs = keras.utils.unpack_x_y_sample_weight(batch)[0]
    return keras.tree.map_structure(lambda array: _first(array, rows), inputs)


def batch_spec(split: Any) -> Any:
    """The specification of a batch of a split, as Keras' train_step gets it."""
    if isinstance(split, Split):

        def spec(array: Any) -> Any:
            return tf.TensorSpec([None, *array.shape[1:]], tf.convert_to_tensor(array[:1]).dtype)

        return keras.tree.map_structure(spec, device_data.as_batch(split))
    if isinstance(split, Stream):
        split = opened(Dataset(train=split), 1, 0).train
    pipeline = as_fit_takes_it(split)
    if isinstance(pipeline, keras.utils.PyDataset):
        return batch_signature([batch for batch, _ in zip(pipeline, range(_SIGNATURE_BATCHES), strict=False)])
    return pipeline.element_spec


def _first(array: Any, rows: int) -> Any:
    """The first rows of an array or a tensor of any kind, as a tensor."""
    if isinstance(array, tf.SparseTensor):
        size = tf.concat([[min(rows, int(array.dense_shape[0]))], array.dense_shape[1:]], 0)
        return tf.sparse.slice(array, tf.zeros_like(array.dense_shape), size)
    return array[:rows] if isinstance(array, tf.RaggedTensor) else tf.convert_to_tensor(array)[:rows]


def _zeros(split: Any) -> Any:
    if isinstance(split, Split):
        return device_data.example_of(split)
    if kind_of(split) in (GENERATOR, PY_DATASET, STREAM):
        return None
    inputs = keras.utils.unpack_x_y_sample_weight(split.element_spec)[0]
    specs = keras.tree.flatten(inputs)
    if not all(isinstance(s, tf.TensorSpec) and s.shape.rank and None not in s.shape[1:] for s in specs):
        return None
    return keras.tree.map_structure(lambda spec: tf.zeros([1, *spec.shape[1:]], spec.dtype), inputs)


def _from_generator(function: Callable[[], Any]) -> Any:
    def batches() -> Iterator[Any]:
        for batch in function():
            yield _with_tensors(tuple(batch) if isinstance(batch, list) else batch)

    first = [batch for _, batch in zip(range(_SIGNATURE_BATCHES), batches(), strict=False)]
    signature = batch_signature(first)
    return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(tf.data.AUTOTUNE)


def _with_tensors(batch: Any) -> Any:
    """A batch of a generator without weights that are None, and with SciPy's sparse matrices as tensors."""
    if isinstance(batch, tuple) and len(batch) > 1 and batch[-1] is None:
        return _with_tensors(batch[:-1])
    return keras.tree.map_structure(lambda array: _sparse(array.tocoo()) if hasattr(array, "tocoo") else array, batch)


def _sparse(matrix: Any) -> tf.SparseTensor:
    places = np.stack([matrix.row, matrix.col], axis=1).astype(np.int64)
    return tf.sparse.reorder(tf.SparseTensor(places, matrix.data, matrix.shape))
