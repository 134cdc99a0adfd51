"""What every data set is."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy.sparse import csr_matrix

from pipeline.datasets import Dataset, Split, leaves
from pipeline.errors import DataError


def test_a_split_counts_its_rows() -> None:
    """The rows of a split with one array or several inputs are counted once."""
    two = {"left": np.zeros((5, 2)), "right": np.zeros((5, 3))}
    assert Split(np.zeros((4, 2)), np.zeros(4)).rows == 4
    assert Split(two, (np.zeros(5), np.zeros(5)), np.ones(5)).rows == 5


def test_arrays_of_a_split_have_one_length() -> None:
    """A split whose inputs, targets or weights differ in length is refused with these lengths."""
    with pytest.raises(DataError, match="same number of rows; found 4 in x, 3 in y"):
        Split(np.zeros((4, 2)), np.zeros(3))
    with pytest.raises(DataError, match="found 4 in x, 4 in y, 5 in weight"):
        Split(np.zeros((4, 2)), np.zeros(4), np.ones(5))


def test_a_list_of_arrays_is_several_inputs_or_targets() -> None:
    """A list of arrays is kept as a tuple, as in Keras, also within a dict; any other list is unchanged."""
    a, b = np.zeros((5, 2)), np.zeros((5, 3))
    split = Split([a, b], {"one": [a, b]}, np.ones(5))
    assert split.rows == 5
    assert isinstance(split.x, tuple)
    assert [each.shape for each in leaves((split.x, split.y))] == [(5, 2), (5, 3)] * 2
    assert Split([[1.0], [2.0]], np.zeros(2)).x == [[1.0], [2.0]]


def test_a_list_of_rows_is_distinct_from_several_inputs() -> None:
    """A list with an array for each row is refused, and the message explains how to make one array."""
    with pytest.raises(
        DataError, match=r"found 2 in x, 3 in y\. x is a list of arrays, which means several .* np\.stack"
    ):
        Split([np.zeros(2), np.zeros(2), np.zeros(2)], np.zeros(3))


def test_frames_series_and_tensors_become_arrays() -> None:
    """Frames and series of pandas, and tensors, are kept as arrays; a series of inputs or targets has one column."""
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    split = Split(frame, frame["a"], frame["b"])
    assert [part.tolist() for part in leaves((split.x, split.y, split.weight))] == [
        [[1.0, 3.0], [2.0, 4.0]],
        [[1.0], [2.0]],
        [3.0, 4.0],
    ]
    columns = Split(dict(frame), [tf.constant([[1], [2]]), tf.constant([3, 4])])
    assert [type(part) for part in leaves((columns.x, columns.y))] == [np.ndarray] * 4
    assert columns.x["a"].shape == (2, 1)  # type: ignore[call-overload,index,union-attr]


def test_each_target_may_have_weights_of_its_own() -> None:
    """Weights are one array, or one for each target in the structure of the targets; other structures are refused."""
    y = {"one": np.zeros(3), "two": np.zeros(3)}
    assert Split(np.zeros(3), y, {"two": np.ones(3), "one": np.zeros(3)}).rows == 3
    with pytest.raises(DataError, match=r"weights of a split are a dict of one, and its targets a dict of one, two\. "):
        Split(np.zeros(3), y, {"one": np.ones(3)})
    with pytest.raises(DataError, match=r"weights of a split are a tuple of 2, and its targets one array\. Give one"):
        Split(np.zeros(3), np.zeros(3), [np.ones(3), np.ones(3)])


def test_leaves_come_in_order() -> None:
    """The leaves of nested dicts and tuples are returned in order and completely, and None is not an array."""
    a, b, c = np.zeros(1), np.zeros(2), np.zeros(3)
    assert [len(leaf) for leaf in leaves(({"x": a, "y": (b, c)}, None, a))] == [1, 2, 3, 1]


def test_a_split_is_unpacked_as_its_tuple() -> None:
    """A split unpacks into its parts that exist, and an index selects one of them."""
    x, y = Dataset(train=(np.zeros((3, 2)), np.ones(3))).train
    assert (x.shape, y.shape) == ((3, 2), (3,))
    assert len(list(Split(np.zeros(3)))) == 1
    assert Split(np.zeros(3), np.ones(3), np.full(3, 2.0))[2].tolist() == [2.0] * 3


def test_an_array_alone_is_a_split_without_targets() -> None:
    """An array, a frame or a dict of arrays in the place of a split has inputs only."""
    data = Dataset(train=np.zeros((3, 2)), validation=pd.DataFrame({"a": [1.0], "b": [2.0]}))
    named = Dataset(train={"anchor": np.zeros((3, 2)), "positive": np.ones((3, 2))}).train
    assert (sorted(named.x), named.y, named.rows) == (["anchor", "positive"], None, 3)
    assert data.train == Split(data.train.x)
    assert (data.train.rows, data.validation.x.shape, data.validation.y) == (3, (1, 2), None)


def test_a_tuple_is_a_split_as_in_fit() -> None:
    """A tuple of inputs and targets, with or without weights, is read as a split."""
    x, y, weight = np.zeros((4, 2)), np.zeros(4), np.ones(4)
    data = Dataset(train=(x, y), validation=({"a": x}, [y, y], weight))
    assert data.train.y is y
    assert [part.shape for part in leaves((data.validation.x, data.validation.y))] == [(4, 2), (4,), (4,)]
    assert data.validation.weight is weight
    assert Dataset((x, y), (x, y)).train.x is x


@pytest.mark.parametrize(("rows", "share", "kept"), [(10, 0.3, 7), (1437, 0.2, 1149), (5, 0.5, 2), (1000, 0.1, 900)])
def test_validation_split_takes_the_last_rows_as_fit_does(rows: int, share: float, kept: int) -> None:
    """The last rows of all inputs, targets and weights are the validation split, as many as with Keras."""
    numbers = np.arange(rows)
    data = Dataset(Split({"a": numbers, "b": numbers}, (numbers,), numbers), validation_split=share)
    for split, expected in ((data.train, numbers[:kept]), (data.validation, numbers[kept:])):
        assert all(np.array_equal(part, expected) for part in leaves((split.x, split.y, split.weight)))
    assert replace(data, test=data.train).train.rows == kept
    model = keras.Sequential([keras.layers.Lambda(lambda x: x * 0.0), keras.layers.Dense(1)])
    model.compile(loss=lambda y, predicted: y + 0 * predicted)
    history = model.fit(numbers[:, None], numbers[:, None], rows, validation_split=share, verbose=0).history
    assert history["val_loss"][0] == pytest.approx(data.validation.x["a"].mean())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"validation_split": 0.0}, r"validation_split=0\.0 of the data set 'data' leaves no rows to one of the two"),
        ({"validation_split": 20}, r"validation_split=20 .* A share between 0 and 1 is allowed, such as 0\.2\."),
        ({"validation_split": 0.2, "validation": (np.zeros(2), np.zeros(2))}, r"and a validation split are given\."),
        ({"validation_split": 0.2, "train": tf.data.Dataset.range(8).batch(2)}, r"divides arrays, and .* take\(\) and"),
    ],
)
def test_validation_split_that_cannot_divide_is_refused(changes: dict[str, Any], message: str) -> None:
    """A share outside 0 to 1, one in addition to a validation split, and one of a pipeline are refused in words."""
    with pytest.raises(DataError, match=message):
        Dataset(**{"train": (np.zeros(4), np.zeros(4)), **changes})


def test_size_counts_every_array() -> None:
    """The size of a data set is that of its inputs, targets and weights in all its splits."""
    split = Split(np.zeros((4, 2), np.float32), np.zeros(4, np.float32), np.ones(4, np.float32))
    assert Dataset("d", split, split).bytes == 2 * (32 + 16 + 16)
    assert Dataset("d", split, split, split).bytes == 3 * (32 + 16 + 16)


def test_the_name_may_be_left_out() -> None:
    """Splits without a name before them are train, validation and test, in this order, or by their names."""
    one, two, three = (Split(np.zeros((rows, 20)), np.zeros(rows)) for rows in (1, 2, 3))
    for data, rows in (
        (Dataset(one), {"train": 1}),  # type: ignore[arg-type]
        (Dataset(one, two), {"train": 1, "validation": 2}),  # type: ignore[arg-type]
        (Dataset(one, two, three), {"train": 1, "validation": 2, "test": 3}),  # type: ignore[arg-type]
        (Dataset(one, validation=two), {"train": 1, "validation": 2}),  # type: ignore[arg-type]
        (Dataset(one, two, test=three), {"train": 1, "validation": 2, "test": 3}),  # type: ignore[arg-type]
        (Dataset(one, test=three), {"train": 1, "test": 3}),  # type: ignore[arg-type]
    ):
        assert (data.name, {name: split.rows for name, split in data.splits.items()}) == ("data", rows)


def test_a_name_that_is_no_text_is_refused() -> None:
    """A name that is not a string, given with three splits, is refused in a sentence, without its numbers."""
    split = Split(np.zeros((400, 20)), np.zeros(400))
    with pytest.raises(DataError, match=r"name must be a string; found Split\. Give the name") as refused:
        Dataset(split, split, split, split)  # type: ignore[arg-type]
    assert len(str(refused.value)) < 200


def test_a_data_set_needs_a_train_split_but_no_name() -> None:
    """A data set without a name is named `data`, and one without a train split is refused."""
    assert Dataset(train=Split(np.zeros((4, 2)), np.zeros(4))).name == "data"
    with pytest.raises(DataError, match="train split of the data set 'data'"):
        Dataset()


def test_a_sparse_matrix_is_refused_with_how_to_convert_it() -> None:
    """A sparse matrix, which has no rows to take batches of, is refused and toarray() is named."""
    with pytest.raises(DataError, match=r"x of a split is a csr_matrix; .* toarray\(\)"):
        Split(csr_matrix(np.eye(3)), np.zeros(3))
