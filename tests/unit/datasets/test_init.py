"""The data sets by their names, and loading the data that a job names."""

import subprocess
import sys
import traceback

import numpy as np
import pandas as pd
import pytest

from pipeline.datasets import DATASETS, Dataset, Split, load
from pipeline.errors import DataError, StorageError

THERE = ", ".join(sorted(DATASETS))


def _split(rows: int = 4) -> Split:
    return Split(np.zeros((rows, 2), np.float32), np.zeros((rows, 1), np.float32))


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA], ids=["None", "nan", "<NA>"])
def test_a_missing_value_among_texts_is_named(missing: object) -> None:
    """Texts with a missing value are refused with that value, the input's name and how to replace it."""
    names = {"sex": np.array(["f", "m"], object), "port": np.array(["S", missing], object)}
    reported = rf"holds Python objects as inputs.* There is {missing!r} among the texts of 'port': replace missing"
    with pytest.raises(DataError, match=reported):
        load(lambda: Dataset("mine", Split(names, np.zeros(2)), _split()))
    with pytest.raises(DataError, match=rf"There is {missing!r} among the texts: replace missing"):
        load(lambda: Dataset("mine", Split(names["port"], np.zeros(2)), _split()))


def test_a_function_gives_its_own() -> None:
    """The data set of a function is used unchanged, with dicts and weights, and its arrays become read-only."""
    split = Split({"a": np.zeros((4, 2))}, np.zeros(4), np.ones(4))
    dataset = load(lambda: Dataset("mine", split, _split()))
    assert dataset.name == "mine"
    assert not split.x["a"].flags.writeable
    assert split.weight is not None
    assert not split.weight.flags.writeable


def test_the_users_own_arrays_stay_writable() -> None:
    """A user can change the arrays that a data function has returned, as in a notebook's next cell."""
    x, y = np.ones((4, 2)), np.zeros(4)
    dataset = load(lambda: Dataset("mine", (x, y), ({"a": x}, (y, y))))
    x /= 2
    assert dataset.train.x is not x
    assert np.shares_memory(dataset.train.x, x)
    assert not dataset.validation.x["a"].flags.writeable
    assert not dataset.validation.y[1].flags.writeable


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    """An unknown name is refused with the nearest name as a suggestion and the list of all names."""
    with pytest.raises(
        DataError,
        match=rf"no data set 'mnsit'\. Did you mean 'mnist'\? Available: {THERE};",
    ):
        load("mnsit")


def test_a_name_like_none_gets_no_suggestion() -> None:
    """A name unlike any other gets the list of names without a suggestion."""
    with pytest.raises(DataError, match=rf"no data set 'imagenet'\. Available: {THERE};"):
        load("imagenet")


def test_a_function_that_raises_is_named() -> None:
    """An error raised in a data function is reported with the function's name and kept as the cause."""

    def broken() -> Dataset:
        raise KeyError("height")

    with pytest.raises(DataError, match=r"broken raised KeyError: 'height'") as caught:
        load(broken)
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_users_mistake_within_the_function_stays_what_it_is() -> None:
    """An error of tunepipe's own that a data function raises is passed on unchanged."""

    def unreadable() -> Dataset:
        raise StorageError("Cannot read it.")

    with pytest.raises(StorageError, match=r"^Cannot read it\.$"):
        load(unreadable)


def test_a_split_that_cannot_be_used_is_traced_to_its_line() -> None:
    """The error of a Split that a data function cannot make has that line in the traceback of its cause."""

    def unequal() -> Dataset:
        return Dataset("mine", Split(np.zeros((4, 2)), np.zeros(3)))

    with pytest.raises(DataError, match=r"^The arrays of a split must have the same number of rows") as caught:
        load(unequal)
    cause = caught.value.__cause__
    assert cause is not None
    assert "unequal" in [frame.name for frame in traceback.extract_tb(cause.__traceback__)]


def test_a_function_must_return_a_data_set() -> None:
    """A data function that returns anything but a Dataset is refused with the returned type."""
    with pytest.raises(DataError, match=r"returned tuple; it must return a pipeline.Dataset"):
        load(lambda: (np.zeros(3), np.zeros(3)))


@pytest.mark.parametrize(
    ("split", "found"),
    [
        (Split(np.zeros(2), np.array(["a" * 492, "b"])), "text"),
        (Split(np.zeros(2), np.array([b"a", b"b"])), "bytes"),
        (Split(np.zeros(2), np.array(["a", "b"], object)), "text"),
        (Split(np.array([{}, {}]), np.zeros(2)), "Python objects"),
        (Split(np.array(["2026-01-01", "2026-01-02"], "M8[D]"), np.zeros(2)), "dates"),
        (Split(np.zeros(2, complex), np.zeros(2)), "complex numbers"),
        (Split([[1.0], [2.0]], np.zeros(2)), "list"),
    ],
)
def test_arrays_hold_numbers(split: Split, found: str) -> None:
    """Text targets, objects and lists are refused with the split and a plain description of its content."""
    with pytest.raises(DataError, match=f"validation split of the data function .* holds {found} as .*; NumPy arrays"):
        load(lambda: Dataset("mine", _split(), split))


def test_classes_by_name_are_refused_with_how_to_number_them() -> None:
    """Targets that are the names of classes are refused with the line that numbers them."""
    with pytest.raises(DataError, match=r"Number the classes with `classes, y = np\.unique"):
        load(lambda: Dataset("mine", Split(np.zeros(2), np.array(["a", "b"])), _split()))


def test_an_empty_split_is_refused() -> None:
    """An empty split is refused."""
    with pytest.raises(DataError, match=r"train split of the data function .* has no rows"):
        load(lambda: Dataset("mine", _split(0), _split()))


def test_knowing_the_names_imports_no_library() -> None:
    """Listing the data sets' names imports neither scikit-learn, pandas nor TensorFlow."""
    code = "import sys, pipeline.datasets; print({'sklearn', 'pandas', 'tensorflow', 'ray'} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "set()"
