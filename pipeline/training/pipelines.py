"""A job's pipelines as Keras takes them, made again for each model that reads them; streams of files as pipelines."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.datasets import GENERATOR, PY_DATASET, STREAM, Dataset, Split, Stream, kind_of
from pipeline.errors import DataError
from pipeline.training import arrays
from pipeline.training.internals import (
    batch_signature,
    captured_variables,
    pipeline_functions,
    pipeline_inputs,
    reshuffles,
    stage_kind,
)

_SIGNATURE_BATCHES = 8
"""Batches from which the specification of a generator's batches is derived: Keras' fit takes two, and fails where later
ones have other sizes."""

_ATTRIBUTES = ("class_names", "file_paths")
"""What Keras adds to the pipelines that it creates from folders."""


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
    return _from_generator(pipeline) if kind_of(pipeline) == GENERATOR else pipeline


def example_of(split: Any, *, rows: int = 1) -> Any:
    """The inputs of the first rows, as tensors; of a pipeline, no more than its first batch has."""
    if isinstance(split, Split):
        return arrays.first_inputs(split, rows=rows)
    if isinstance(split, Stream):
        split = streamed(split, rows)
    pipeline = as_fit_takes_it(split)
    batch = pipeline[0] if isinstance(pipeline, keras.utils.PyDataset) else next(iter(pipeline))
    inputs = keras.utils.unpack_x_y_sample_weight(batch)[0]
    return keras.tree.map_structure(lambda array: _first(array, rows), inputs)


def batch_spec(split: Any) -> Any:
    """The specification of a batch of a split, as Keras' train_step gets it."""
    if isinstance(split, Split):

        def spec(array: Any) -> Any:
            return tf.TensorSpec([None, *array.shape[1:]], tf.convert_to_tensor(array[:1]).dtype)

        return keras.tree.map_structure(spec, arrays.as_batch(split))
    pipeline = as_fit_takes_it(streamed(split, 1) if isinstance(split, Stream) else split)
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
        return arrays.first_inputs(split)
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
    signature = (
        keras.tree.map_structure(lambda array: _spec(array[:0]), stream.first()),
        tf.TensorSpec((None, stream.targets), tf.float32),
    )
    rows = tf.data.Dataset.from_generator(lambda: stream.batches(batch_size, order()), output_signature=signature)
    rows = rows.apply(tf.data.experimental.assert_cardinality(arrays.steps_of(stream.rows, batch_size)))
    if images := stream.images:
        rows = rows.map(_Decoded(stream, images))
    return rows.prefetch(tf.data.AUTOTUNE)


def _spec(array: np.ndarray) -> tf.TensorSpec:
    return tf.TensorSpec((None, *array.shape[1:]), tf.string if array.dtype.hasobject else tf.float32)


class _Decoded:
    """Decodes images of one size: float32 from 0 to 1, shape (batch, height, width, channels)."""

    def __init__(self, stream: Stream, names: list[str]) -> None:
        first = stream.first()
        columns = first if isinstance(first, Mapping) else {names[0]: first}
        self._shapes = {}
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
            return tf.ensure_shape(_image(file), shape)

        return tf.map_fn(decode, files, fn_output_signature=tf.TensorSpec(shape, tf.float32))


def _image(file: Any) -> Any:
    return tf.io.decode_image(file, expand_animations=False, dtype=tf.float32)


# Pipelines of a notebook, which workers get as graphs.


def reduced(dataset: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A tf.data pipeline in the form in which pickle takes an object."""
    in_function = "Build the pipeline in the data function: then each worker builds its own."
    try:
        graph = tf.raw_ops.DatasetToGraphV2(input_dataset=tf.data.experimental.to_variant(dataset)).numpy()
        definition = tf.compat.v1.GraphDef.FromString(graph)
    except Exception as error:
        raise DataError(
            f"A tf.data.Dataset of the notebook cannot be sent to the workers: {type(error).__name__}: "
            f"{str(error).partition(chr(10))[0]}. {in_function}"
        ) from error
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    if {"PyFunc", "PyFuncStateless", "EagerPyFunc"} & {node.op for node in nodes}:
        raise DataError(
            "A tf.data.Dataset of the notebook cannot be sent to the workers: Python code produces its elements "
            f"(from_generator, py_function or numpy_function). {in_function}"
        )
    attributes = {name: getattr(dataset, name) for name in _ATTRIBUTES if hasattr(dataset, name)}
    return _restored, (graph, dataset.element_spec, attributes)


def _restored(graph: bytes, spec: Any, attributes: dict[str, Any]) -> Any:
    variant = tf.raw_ops.DatasetFromGraph(graph_def=graph)
    dataset = tf.data.experimental.from_variant(variant, spec)
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


# What the stages of a tf.data pipeline say of it.

_FIXED = {
    *("Batch", "ParallelBatch", "PaddedBatch", "RaggedBatch", "Unbatch", "Prefetch", "Options", "Shard"),
    *("Map", "ParallelMap", "Filter", "Take", "Skip", "Zip", "FlatMap", "Interleave", "ParallelInterleave"),
}
"""Stages that begin their input once for each iterator. Others, such as repeat, begin it again in the middle."""


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


def batches_to_skip(dataset: Any) -> int | None:
    """How many batches an iterator must read to leave a pipeline as a whole epoch would; None for all.

    The order of a shuffle is drawn when its input begins: for the last one when the iterator is made, for those before
    it with the first element, and before a repeat or a concatenation at some later element.
    """
    stages = list(_stages(dataset))
    later = [each for each in stages if not reshuffles(each) and stage_kind(each) not in _FIXED]
    if any(stage_kind(each) == "Variant" or any(map(reshuffles, _stages(each))) for each in later):
        return None
    return int(sum(map(reshuffles, stages)) > 1)


def _stages(dataset: Any) -> Iterator[Any]:
    """The pipelines of which a tf.data pipeline is made, from itself to its sources."""
    yield dataset
    for source in pipeline_inputs(dataset):
        yield from _stages(source)
