"""The data of a search."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.adapters.keras_tuner.data import data_of, pair
from pipeline.adapters.program import Call
from pipeline.datasets import Split

X, Y = np.arange(20.0).reshape(10, 2), np.arange(10.0)


def search(*args: Any, **kwargs: Any) -> Call:
    """A call of search."""
    return Call(None, {"kind": "RandomSearch", "tuner": {}, "args": args, "kwargs": kwargs}, "here")


def test_the_last_rows_are_the_validation_split() -> None:
    """The last rows of every input, of the targets and of the weights are the validation split, as in Keras."""
    data = data_of(search({"a": X, "b": [Y]}, Y, sample_weight=Y + 1, validation_split=0.3))
    assert (len(data.train.x["a"]), len(data.validation.x["b"][0])) == (7, 3)
    assert data.validation.y.tolist() == [7, 8, 9]
    assert data.train.weight.tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_frames_are_arrays_and_pipelines_stay() -> None:
    """A pandas data frame becomes an array, and an array or a pipeline of batches is passed on unchanged."""
    data = data_of(search(pd.DataFrame(X), pd.Series(Y), validation_data=(X, Y)))
    assert isinstance(data.train.x, np.ndarray)
    assert data.validation.x is X

    def batches():
        yield X, Y

    assert data_of(search(x=batches)).train is batches
    assert data_of(search(x=batches)).validation is None


def test_a_split_is_what_fit_takes() -> None:
    """The arguments for Keras' fit are inputs and targets for a split, and one argument for a pipeline."""
    assert pair(Split(X, Y)) == (X, Y)
    assert pair("batches") == ("batches",)
