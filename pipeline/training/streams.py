"""Streams of Parquet files as tf.data pipelines whose epochs have the same order in every process."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.datasets import Dataset, Stream
from pipeline.errors import DataError
from pipeline.training.epoch_rows import steps_of
from pipeline.training.iterator_numbers import iterator_numbers
from pipeline.training.pipeline_state import kept

_PREFETCHED = 2
"""Batches that are read while another one trains."""


def opened(data: Dataset, batch_size: int, seed: int | None) -> Dataset:
    """A data set whose streams are pipelines of batches, as Keras' fit takes them; other splits stay as they are."""
    pipelines = {
        name: _pipeline(split, batch_size, seed if name == "train" else None)
        for name, split in data.splits.items()
        if isinstance(split, Stream)
    }
    return replace(data, **pipelines) if pipelines else data


def _pipeline(stream: Stream, batch_size: int, seed: int | None) -> tf.data.Dataset:
    signature = (
        keras.tree.map_structure(lambda array: _spec(array[:0]), stream.first()),
        tf.TensorSpec((None, stream.targets), tf.float32),
    )

    def epoch(drawn: Any) -> tf.data.Dataset:
        def batches(order: np.ndarray) -> Iterator[Any]:
            return stream.batches(batch_size, None if seed is None else int(order))

        return tf.data.Dataset.from_generator(batches, output_signature=signature, args=(drawn,))

    rows = iterator_numbers(seed or 0).take(1).flat_map(epoch)
    rows = rows.apply(tf.data.experimental.assert_cardinality(steps_of(stream.rows, batch_size)))
    if images := stream.images:
        rows = rows.map(_Decoded(stream, images))
    rows = rows.prefetch(_PREFETCHED)
    return rows if seed is not None else kept(rows)


def _spec(array: np.ndarray) -> tf.TensorSpec:
    return tf.TensorSpec((None, *array.shape[1:]), tf.string if array.dtype.hasobject else tf.float32)


class _Decoded:
    """Decodes images of one size: float32 from 0 to 1, shape (batch, height, width, channels)."""

    def __init__(self, stream: Stream, names: list[str]) -> None:
        first = stream.first()
        columns = first if isinstance(first, Mapping) else {names[0]: first}
        self._shapes, self._where = {}, stream.files.data
        for name in names:
            try:
                self._shapes[name] = tuple(_image(columns[name][0]).shape)
            except tf.errors.InvalidArgumentError as error:
                raise DataError(
                    f"Column {name!r} of {stream.files.data} holds binary of any length, which must be images as JPEG, "
                    f"PNG, BMP or GIF; the first one cannot be decoded: {error.message}"
                ) from None

    def __call__(self, inputs: Any, targets: Any) -> Any:
        if not isinstance(inputs, Mapping):
            (name,) = self._shapes
            return self._decode(name, inputs), targets
        decoded = {name: self._decode(name, inputs[name]) for name in self._shapes}
        return {**inputs, **decoded}, targets

    def _decode(self, name: str, files: Any) -> Any:
        shape = self._shapes[name]

        def decode(file: Any) -> Any:
            image = _image(file)
            same = tf.reduce_all(tf.equal(tf.shape(image), shape))
            text = f"Images in column {name!r} of {self._where} must all have the size of the first one, {shape}."
            with tf.control_dependencies([tf.debugging.Assert(same, [text])]):
                return tf.ensure_shape(image, shape)

        return tf.map_fn(decode, files, fn_output_signature=tf.TensorSpec(shape, tf.float32))


def _image(file: Any) -> Any:
    return tf.io.decode_image(file, expand_animations=False, dtype=tf.float32)
