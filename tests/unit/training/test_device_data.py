"""A data set as tensors."""

from typing import Any

import keras
import numpy as np
import pytest

from pipeline.datasets import Dataset, Split
from pipeline.training.arrays import DeviceData, Fold, as_batch, example_of, nested

X, Y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 2, 0, 1, 2], np.int32)


def _plain(tree: Any) -> Any:
    return keras.tree.map_structure(lambda tensor: np.asarray(tensor).tolist(), tree)


def test_a_split_is_a_batch_as_fit_takes_it() -> None:
    """A split has inputs, targets and weights; floats have the precision of Keras, and integers are unchanged."""
    x, y, weight = as_batch(Split(X, Y, np.ones(6)))
    assert (x.dtype, y.dtype, weight.dtype) == (np.float32, np.int32, np.float32)
    np.testing.assert_array_equal(x, X)
    assert as_batch(Split(X, Y))[1] is Y


def test_inputs_alone_are_a_batch() -> None:
    """A tuple that is a batch of inputs is distinguished from inputs with targets."""
    np.testing.assert_array_equal(as_batch(Split(X, None)), X)
    ((first, second),) = as_batch(Split((X, X + 1), None))
    np.testing.assert_array_equal(second - first, np.ones_like(X))


def test_one_weight_a_row_serves_every_output() -> None:
    """One weight for each row becomes weights in the structure of the targets."""
    _, y, weight = as_batch(Split({"a": X}, {"p": Y, "q": Y}, np.arange(6.0)))
    assert y.keys() == weight.keys()
    np.testing.assert_array_equal(weight["p"], weight["q"])


class _Large(np.ndarray):
    """An array that is larger than memory."""

    def astype(self, *arguments: Any, **keywords: Any) -> Any:
        """Refuse a copy of all rows."""
        assert len(self) < 6, "all rows are copied"
        return super().astype(*arguments, **keywords)


def test_an_example_of_a_large_array_copies_its_own_rows_alone() -> None:
    """An example of an array of another precision converts the rows that it has, and not the whole array."""
    assert _plain(example_of(Split(X.view(_Large), Y), rows=2)) == X[:2].tolist()
    assert nested(Split(X.view(_Large), Y))[0].dtype == np.float64


def test_an_example_has_the_shapes_of_the_inputs() -> None:
    """An example has the shapes of the inputs and one row, unless more are requested."""
    assert _plain(example_of(Split({"a": X, "b": [Y]}, Y))) == {"a": [[0.0, 1.0]], "b": ([0],)}
    assert len(example_of(Split(X, Y), rows=3)) == 3


@pytest.fixture
def data() -> DeviceData:
    """Six training rows and two for validation."""
    return DeviceData(Dataset("d", Split(X, Y), Split(X[:2], Y[:2])))


def test_rows_are_taken_in_an_order(data: DeviceData) -> None:
    """Rows are gathered from the tensors in the given order, and validation rows from their own tensors."""
    assert (data.train_rows, data.validation_rows) == (6, 2)
    assert _plain(data.ordered(np.array([2, 0, 1], np.int32))) == [2, 0, 1]
    assert _plain(data.in_order) == [0, 1]


def test_a_fold_has_rows_of_the_same_tensors(data: DeviceData) -> None:
    """A fold selects validation rows from the same tensors of training rows without a copy."""
    part = data.part(Fold(1, np.array([0, 2, 4], np.int32), np.array([1, 3], np.int32)))
    assert (part.train_rows, part.validation_rows) == (3, 2)
    assert part.train is data.train
    assert part.validation is data.train
    assert _plain(part.ordered(np.array([2, 0, 1], np.int32))) == [4, 0, 2]
    assert _plain(part.in_order) == [1, 3]
    assert data.part(Fold()) is data


def test_class_weights_are_weights_of_rows(data: DeviceData) -> None:
    """Each row has the weight of its class, and the data without class weights are unchanged."""
    weighted = data.weighted({0: 1.0, 1: 2.0, 2: 0.5})
    assert _plain(weighted.train[2]) == [1.0, 2.0, 0.5, 1.0, 2.0, 0.5]
    assert weighted.train[0] is data.train[0]
    assert len(data.train) == 2


def test_data_without_a_validation_split_have_no_such_rows() -> None:
    """Data without a validation split have no validation rows, and nothing is evaluated."""
    data = DeviceData(Dataset("d", Split(X, Y)))
    assert (data.validation, data.validation_rows) == (None, 0)
