"""Splits, data sets, and what a data function may return."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy.sparse import csr_matrix

from pipeline.datasets import DATASETS, Dataset, Split, batches_of, is_endless, kind_of, leaves, load
from pipeline.errors import DataError, StorageError

X, Y = np.zeros((4, 2), np.float32), np.zeros((4, 1), np.float32)


class Sequence(keras.utils.PyDataset):
    def __init__(self, batches: int | None) -> None:
        super().__init__()
        self._batches = batches

    @property
    def num_batches(self) -> int | None:
        return self._batches


def generator() -> Any:
    yield X, Y


def test_a_split_holds_arrays_dicts_and_lists_of_them() -> None:
    two = {"left": np.zeros((5, 2)), "right": np.zeros((5, 3))}
    split = Split(two, [np.zeros(5), np.zeros((5, 4))], np.ones(5))
    assert (split.rows, isinstance(split.y, tuple)) == (5, True)
    assert [part.shape for part in leaves(tuple(split.part(slice(2))))] == [(2, 2), (2, 3), (2,), (2, 4), (2,)]
    x, y = Dataset(train=(X, Y)).train
    assert (x.shape, y.shape, len(list(Split(X)))) == (X.shape, Y.shape, 1)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ((np.zeros(4), np.zeros(3)), "4 in x, 3 in y"), (([np.zeros(2)] * 3, np.zeros(3)), "np.stack"),
        ((csr_matrix(np.eye(3)), np.zeros(3)), "toarray()"), ((np.zeros(3), None, np.ones(3)), "targets missing"),
        ((np.zeros(3), {"one": np.zeros(3), "two": np.zeros(3)}, {"one": np.ones(3)}), "a dict of one, two"),
        ((np.zeros(3), np.zeros(3), [np.ones(3), np.ones(3)]), "a tuple of 2"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_belong_together_are_refused(arguments: tuple[Any, ...], found: str) -> None:
    with pytest.raises(DataError) as refused:
        Split(*arguments)
    assert found in str(refused.value)


def test_frames_series_and_tensors_become_arrays() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    split = Split(frame, frame["a"], frame["b"])
    assert [part.tolist() for part in split] == [[[1.0, 3.0], [2.0, 4.0]], [[1.0], [2.0]], [3.0, 4.0]]
    columns = Split(dict(frame), [tf.constant([[1], [2]]), tf.constant([3, 4])])
    assert [type(part) for part in leaves((columns.x, columns.y))] == [np.ndarray] * 4
    words = pd.Series(["a", "b"])
    assert Split(words, np.zeros(2)).x.tolist() == [["a"], ["b"]]  # type: ignore[union-attr]


@pytest.mark.parametrize(("columns", "expected"), [
    ({"a": pd.array([1, None], "Int64"), "b": [0.5, 1.0]}, [[1.0, 0.5], [np.nan, 1.0]]),
    ({"a": pd.array([1, 2], "Int8"), "b": pd.array([True, False], "boolean")}, [[1, 1], [2, 0]]),
])  # fmt: skip
def test_mixed_columns_of_numbers_become_numbers(columns: dict[str, Any], expected: list[Any]) -> None:
    x = Split(pd.DataFrame(columns), np.zeros(2)).x
    assert x.dtype.kind in "biuf"  # type: ignore[union-attr]
    np.testing.assert_array_equal(x, expected)
    with pytest.raises(DataError, match="city"):
        Split(pd.DataFrame({**columns, "city": ["a", "b"]}), np.zeros(2))


@pytest.mark.parametrize("given", [(X, Y), Split(X, Y), X, {"a": X}, generator, Sequence(3)])
def test_tuples_arrays_and_pipelines_are_splits(given: Any) -> None:
    data = Dataset(train=given, validation=given)
    assert (data.name, sorted(data.splits)) == ("data", ["train", "validation"])
    assert (list(data.arrays) == []) == (data.train is given and not isinstance(given, Split))


@pytest.mark.parametrize("arguments", [(Split(X, Y), Split(X, Y)), ()])
def test_a_data_set_needs_a_name_that_is_text_and_a_train_split(arguments: Any) -> None:
    with pytest.raises(DataError, match="train"):
        Dataset(*arguments)


@pytest.mark.parametrize(("rows", "share", "kept"), [(10, 0.3, 7), (1437, 0.2, 1149), (5, 0.5, 2)])
def test_validation_split_takes_the_last_rows_as_fit_does(rows: int, share: float, kept: int) -> None:
    numbers = np.arange(rows)
    data = Dataset(train=Split({"a": numbers, "b": numbers}, (numbers,), numbers), validation_split=share)
    for split, expected in ((data.train, numbers[:kept]), (data.validation, numbers[kept:])):
        assert all(np.array_equal(part, expected) for part in leaves(tuple(split)))


@pytest.mark.parametrize("changes", [{"validation_split": 20}, {"validation": (X, Y)}, {"train": generator}])
def test_a_validation_split_that_cannot_divide_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="validation_split"):
        Dataset(**{"train": (X, Y), "validation_split": 0.2, **changes})


@pytest.mark.parametrize(
    ("split", "kind", "batches", "endless"),
    [
        (tf.data.Dataset.range(8).batch(2), "tf.data.Dataset", 4, False),
        (tf.data.Dataset.range(8).batch(2).repeat(), "tf.data.Dataset", None, True),
        (Sequence(3), "keras.utils.PyDataset", 3, False), (Sequence(None), "keras.utils.PyDataset", None, True),
        (generator, "generator function", None, False), (Sequence, None, None, False),
    ],
)  # fmt: skip
def test_the_kind_and_length_of_a_pipeline_are_known(split: Any, kind: Any, batches: int | None, endless: bool) -> None:
    assert (kind_of(split), batches_of(split), is_endless(split)) == (kind, batches, endless)


@pytest.mark.parametrize(
    ("split", "hint"),
    [(generator(), "without calling it"), (tf.data.Dataset.range(8), ".batch(SIZE)"),
     (tf.data.Dataset.range(0).batch(2), "no batches"), (3, "a int")],
)  # fmt: skip
def test_pipelines_that_cannot_be_read_are_refused(split: Any, hint: str) -> None:
    with pytest.raises(DataError) as refused:
        Dataset("d", split)
    assert hint in str(refused.value)


@pytest.mark.parametrize(("split", "found"), [
    (Split(np.zeros(2), np.array(["a", "b"])), "np.unique"),
    (Split(np.array(["2026-01-01", "2026-01-02"], "M8[D]"), np.zeros(2)), "datetime64"),
    (Split([[1.0], [2.0]], np.zeros(2)), "list"),  # type: ignore[list-item]
    (Split({"port": np.array(["S", None], object)}, np.zeros(2)), "object"),
    (Split(np.zeros((0, 2)), np.zeros(0)), "no rows"),
])  # fmt: skip
def test_what_a_network_cannot_take_is_refused(split: Split, found: str) -> None:
    with pytest.raises(DataError, match="validation split") as refused:
        load(lambda: Dataset("mine", (X, Y), split))
    assert found in str(refused.value)
    words = np.array(["a", "b", "c", "d"], object)
    assert load(lambda: Dataset("mine", (words, Y), ({"w": words.astype("U1")}, Y))).bytes > 0


def test_errors_of_a_data_function_keep_their_cause() -> None:
    def raising(error: BaseException) -> Callable[[], Dataset]:
        def broken() -> Dataset:
            raise error

        return broken

    for error in (KeyError(), GeneratorExit(), OSError("x" * 10**6), type("", (Exception,), {"__str__": next})()):
        with pytest.raises(DataError, match=f"broken raised {type(error).__name__}") as caught:
            load(raising(error))
        assert (caught.value.__cause__, len(str(caught.value)) < 20_000) == (error, True)
    # TensorFlow puts the frames of what it traces into its message.
    with pytest.raises(DataError, match="raised TypeError: list indices"):
        load(lambda: tf.data.Dataset.range(2).map(lambda x: [0, 1][x]))
    with pytest.raises(StorageError):
        load(raising(StorageError("Cannot read it.")))
    with pytest.raises(DataError) as caught:
        load(lambda: Dataset("mine", (np.zeros(4), np.zeros(3))))
    assert caught.value.__cause__ is not None
    with pytest.raises(DataError, match="tuple"):
        load(lambda: (X, Y))


def test_an_unknown_name_is_refused_with_the_nearest_and_all_names() -> None:
    with pytest.raises(DataError, match=rf"'mnsit'\. Did you mean 'mnist'\? Available: {', '.join(sorted(DATASETS))};"):
        load("mnsit")
