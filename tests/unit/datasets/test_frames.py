"""DataFrames and Series of pandas as arrays of a split."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.datasets import Split
from pipeline.datasets.frames import as_array, is_frame
from pipeline.errors import DataError

NUMBERS = pd.DataFrame({"a": np.array([1.5, 2.5], "float32"), "b": np.array([0.5, 1.5], "float32")})


@pytest.mark.parametrize(
    ("frame", "dtype", "expected"),
    [
        pytest.param(NUMBERS, "float32", [[1.5, 0.5], [2.5, 1.5]], id="numbers"),
        pytest.param(
            pd.get_dummies(NUMBERS.assign(c=["x", "y"])), "float32", [[1.5, 0.5, 1, 0], [2.5, 1.5, 0, 1]], id="dummies"
        ),
        pytest.param(pd.DataFrame({"a": [True, False], "b": [3, 4]}), "int64", [[1, 3], [0, 4]], id="booleans"),
        pytest.param(
            pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": [3, 4]}), "float64", [[1, 3], [np.nan, 4]], id="NA"
        ),
        pytest.param(pd.Series(pd.array([1, 2], "Int8")), "int8", [1, 2], id="a Series"),
        pytest.param(pd.Series(pd.array([True, None], "boolean")), "float32", [1, np.nan], id="a Series with NA"),
        pytest.param(pd.Series(pd.Categorical([3, 4])), "int64", [3, 4], id="a categorical Series of numbers"),
        pytest.param(pd.DataFrame({"a": ["x", "y"]}), "object", [["x"], ["y"]], id="text"),
        pytest.param(NUMBERS.rename(columns={"b": "a"}), "float32", [[1.5, 0.5], [2.5, 1.5]], id="equal names"),
    ],
)
def test_columns_of_numbers_become_numbers(frame: Any, dtype: str, expected: Any) -> None:
    """Numbers, booleans and columns with missing values become one array of numbers; text stays text."""
    assert is_frame(frame)
    array = as_array(frame)
    assert array.dtype == dtype
    assert np.array_equal(array, np.array(expected), equal_nan=dtype != "object")


@pytest.mark.parametrize("values", [["x", "y"], pd.Categorical(["x", "y"]), [object(), object()]])
def test_a_column_without_numbers_beside_numbers_is_named(values: Any) -> None:
    """A DataFrame with numbers and other columns is refused with the names of these and how to encode them."""
    with pytest.raises(DataError, match=r"^The column 'c' \(\w+\) of a DataFrame holds no numbers, .*Encode it, "):
        Split(NUMBERS.assign(c=values))


def test_columns_can_be_inputs_of_their_own() -> None:
    """A dict of a DataFrame's columns has one input for each, with one column of numbers or text."""
    split = Split(dict(NUMBERS.assign(c=["x", "y"])))
    assert isinstance(split.x, dict)
    assert {name: array.shape for name, array in split.x.items()} == {"a": (2, 1), "b": (2, 1), "c": (2, 1)}


def test_other_objects_are_no_frames() -> None:
    """Arrays, lists and dicts are neither DataFrames nor Series."""
    assert not any(is_frame(value) for value in (np.zeros(2), [1], {"a": 1}, None))
