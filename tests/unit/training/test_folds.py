"""The folds of cross-validation: each row validates one model, and classes are divided evenly."""

from typing import Any

import numpy as np
import pytest

from pipeline.datasets import Split
from pipeline.errors import DataError
from pipeline.training.arrays import WHOLE, folds_of


def targets(y: np.ndarray) -> Split:
    """Rows with these targets."""
    return Split(np.arange(len(y), dtype=np.float32).reshape(-1, 1), y)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_each_row_is_compared_once_and_learned_from_otherwise(count: int) -> None:
    """The folds' validation rows together are all rows, and each fold trains on exactly the others."""
    folds = folds_of(targets(np.random.default_rng(0).random(31)), count, seed=1)
    compared = np.concatenate([fold.validation for fold in folds])
    assert sorted(compared) == list(range(31))
    for fold in folds:
        assert sorted([*fold.train, *fold.validation]) == list(range(31))
    assert [fold.number for fold in folds] == list(range(1, count + 1))


@pytest.mark.parametrize(
    "y",
    [
        np.repeat([0, 1, 2], [60, 30, 9]),
        np.eye(3, dtype=np.float32)[np.repeat([0, 1, 2], [60, 30, 9])],
        np.repeat([0.0, 1.0], [90, 9]).reshape(-1, 1),
    ],
    ids=["numbers", "one-hot", "binary"],
)
def test_each_fold_has_the_same_part_of_every_class(y: np.ndarray) -> None:
    """Each of three folds has a third of each class, for any encoding of classes."""
    classes = y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(-1)
    whole = np.unique(classes, return_counts=True)[1]
    for fold in folds_of(targets(y), 3, seed=0):
        assert np.array_equal(np.unique(classes[fold.validation], return_counts=True)[1] * 3, whole)


@pytest.mark.parametrize(
    "y", [np.array([0] * 30 + [1]), np.linspace(0, 1, 31), {"a": np.zeros(31)}], ids=["rare", "numbers", "several"]
)
def test_targets_without_usable_classes_are_divided_at_random(y: Any) -> None:
    """Folds are drawn at random for a class with fewer rows than folds, for numbers and for several targets."""
    sizes = [len(fold.validation) for fold in folds_of(Split(np.zeros((31, 1)), y), 3, seed=0)]
    assert sorted(sizes) == [10, 10, 11]


def test_folds_come_from_the_seed_alone() -> None:
    """Folds depend on the seed alone, and a single fold divides nothing."""
    split = targets(np.arange(30) % 3)
    first, again, other = (folds_of(split, 3, seed=seed)[0].validation for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert folds_of(split, 1, seed=1) == [WHOLE]


def test_fewer_rows_than_folds_are_refused() -> None:
    """A job with fewer rows than folds is refused with the number of rows."""
    with pytest.raises(DataError, match="There are 2 training rows for 3 folds; set folds to at most as many"):
        folds_of(targets(np.zeros(2)), 3, seed=0)
