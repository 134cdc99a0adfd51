"""The pipelines of a job: created for each model, in the form that Keras takes."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy import sparse

from pipeline.datasets import Dataset, Split
from pipeline.training.pipelines import Source, as_fit_takes_it, evaluated, example_of
from tests.unit.training.programs.catalogue import PROGRAMS

X = np.arange(12, dtype="float32").reshape(6, 2)
Y = np.arange(6, dtype="float32")


def _batches() -> Iterator[Any]:
    """Batches of four rows and of two."""
    yield X[:4], Y[:4]
    yield [X[4:], Y[4:]]


def _pipeline() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)


def test_a_source_gives_what_was_loaded_once_and_then_loads_again() -> None:
    """The first model reads the data that the job's function returned; each later one gets new data."""
    first, second = Dataset("first", _pipeline()), Dataset("second", _pipeline())
    source = Source(lambda: second, first)
    assert [source.fresh().name for _ in range(3)] == ["first", "second", "second"]


def test_the_data_of_a_first_call_can_be_discarded() -> None:
    """Where the first call in a process may draw more than later ones, no model reads its data."""
    names = iter(["cold", "warm", "warmer"])
    source = Source(lambda: Dataset(next(names), _pipeline()), discard_first=True)
    assert [source.fresh().name for _ in range(2)] == ["warm", "warmer"]


@pytest.mark.parametrize(
    ("train", "example", "following"),
    [
        pytest.param(_pipeline(), [[0, 0]], "first", id="known shapes: zeros, nothing is read"),
        pytest.param(_batches, [[0, 1]], "second", id="a generator: its first row, and it is read"),
    ],
)
def test_the_example_leaves_pipelines_unread_where_it_can(train: Any, example: list[Any], following: str) -> None:
    """An example is zeros if the shapes are known; otherwise the pipeline is read and serves no model."""
    source = Source(lambda: Dataset("second", train), Dataset("first", train))
    assert np.array_equal(source.example, example)
    assert source.fresh().name == following


def test_a_source_is_loaded_before_the_model_is_built() -> None:
    """`prepare` calls the data function, and the next model reads what it returned."""
    calls: list[int] = []

    def load() -> Dataset:
        calls.append(1)
        return Dataset("loaded", _pipeline())

    source = Source(load, Dataset("first", _pipeline()))
    source.prepare()
    assert (source.fresh().name, calls) == ("first", [])
    source.prepare()
    assert calls == [1]
    assert (source.fresh().name, calls) == ("loaded", [1])


@pytest.mark.parametrize("split", [Split(X, Y), _pipeline(), _batches], ids=["arrays", "tf.data", "generator"])
def test_an_example_has_the_first_rows(split: Any) -> None:
    """An example has the same first rows for arrays and for pipelines."""
    assert np.array_equal(example_of(split, rows=2), X[:2])


def test_batches_of_a_generator_may_differ_in_size_after_the_first_ones() -> None:
    """A size in which one of the first batches differs is open in the specification of a generator's batches."""

    def lengths() -> Iterator[Any]:
        for length in (3, 3, 3, 4, 2):
            yield np.zeros((2, length)), np.zeros(2)

    assert [batch[0].shape for batch in as_fit_takes_it(lengths).as_numpy_iterator()] == [
        (2, length) for length in (3, 3, 3, 4, 2)
    ]


def test_a_generator_function_becomes_a_dataset_of_its_batches() -> None:
    """Batches of a generator function, as tuples or lists and of any length, are unchanged in its dataset."""
    found = list(as_fit_takes_it(_batches).as_numpy_iterator())
    assert [batch[0].tolist() for batch in found] == [X[:4].tolist(), X[4:].tolist()]
    assert [batch[1].tolist() for batch in found] == [Y[:4].tolist(), Y[4:].tolist()]


def test_metrics_over_a_generator_are_those_over_arrays() -> None:
    """Metrics over a generator function equal those over the arrays that it yields."""
    program = PROGRAMS["shuffled rows"]
    model = program.model({})
    validation = program.data().validation

    def batches() -> Iterator[Any]:
        yield from validation.as_numpy_iterator()

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Your input ran out of data")
        found = evaluated(model, batches)
    assert found == pytest.approx(evaluated(model, validation))


def test_rows_of_sparse_tensors_are_an_example() -> None:
    """A model learns its shapes from the first rows of sparse tensors, as from other ones."""
    found = example_of(tf.data.Dataset.from_tensor_slices((tf.sparse.from_dense(X), Y)).batch(4), rows=2)
    assert isinstance(found, tf.SparseTensor)
    np.testing.assert_array_equal(tf.sparse.to_dense(found), X[:2])
    assert example_of(tf.data.Dataset.from_tensors((tf.sparse.from_dense(X[:1]), Y)), rows=2).shape == (1, 2)


def test_a_generator_may_give_sparse_matrices_and_weights_that_are_none() -> None:
    """A generator's sparse matrices of SciPy become sparse tensors, and weights that are None are left out."""

    def batches() -> Iterator[Any]:
        yield sparse.csr_matrix(X[:4]), Y[:4], None
        yield sparse.csr_matrix(X[4:]), Y[4:], None

    found = list(as_fit_takes_it(batches))
    np.testing.assert_array_equal(tf.sparse.to_dense(found[0][0]), X[:4])
    np.testing.assert_array_equal(tf.sparse.to_dense(found[1][0]), X[4:])
    assert [len(batch) for batch in found] == [2, 2]
