"""Pipelines that a data function does not build itself."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline import Dataset
from pipeline.training.outer_pipelines import outer_pipeline

ROWS = tf.data.Dataset.from_tensor_slices((np.zeros((8, 2), "float32"), np.zeros(8, "float32")))
SHUFFLED = ROWS.shuffle(8, seed=3).batch(4)
ORDERED = ROWS.batch(4)


def shuffled() -> Dataset:
    """A pipeline of the module as it is."""
    return Dataset(train=SHUFFLED, validation=ORDERED)


def derived() -> Dataset:
    """A pipeline that continues one of the module."""
    return Dataset(train=SHUFFLED.map(lambda x, y: (x, y)).prefetch(1), validation=ORDERED)


def ordered() -> Dataset:
    """A pipeline of the module that gives the same batches each time, shuffled in the function."""
    return Dataset(train=ORDERED.shuffle(2), validation=ORDERED)


@pytest.mark.parametrize(("function", "found"), [(shuffled, True), (derived, True), (ordered, False)])
def test_a_shuffle_outside_of_the_data_function_is_found(function: Any, found: bool) -> None:
    """A pipeline of the module is named if its shuffle continues with each trial, not if the function shuffles it."""
    reason = outer_pipeline(function(), function)
    assert (reason is not None) == found
    assert not found or reason.startswith("its train data come from a tf.data pipeline that is built outside")
