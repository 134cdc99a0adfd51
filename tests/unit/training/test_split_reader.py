"""The batches of a split: those that an epoch reads, and those after a skipped epoch."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.datasets import Dataset
from pipeline.training.build import seed_generators
from pipeline.training.fit_arguments import FitArguments
from pipeline.training.split_reader import SplitReader, steps_per_call
from tests.unit.training.programs.catalogue import PROGRAMS

X = np.arange(44, dtype="float32").reshape(22, 2)
Y = np.arange(22, dtype="float32")


def _generator() -> Iterator[Any]:
    for place in range(3):
        yield X[place * 4 : place * 4 + 4], Y[place * 4 : place * 4 + 4]


def _shuffled(**given: Any) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(22, **given).batch(4)


def _model() -> keras.Model:
    return PROGRAMS["shuffled rows"].model({})


def _epoch(reader: SplitReader, *, training: bool) -> list[list[float]]:
    """The targets of each batch of an epoch; each validation restarts the split."""
    found: list[list[float]] = []

    def function(iterator: Any) -> dict[str, Any]:
        found.append(next(iterator)[1].numpy().tolist())
        return {}

    if not training:
        reader.batches.reset()
    reader.run(function, None, lambda: False)
    return found


@pytest.mark.parametrize("training", [True, False], ids=["training", "validation"])
@pytest.mark.parametrize("steps", [None, 2], ids=["a whole pass", "two batches"])
@pytest.mark.parametrize(
    "split",
    [lambda: _shuffled(seed=1), lambda: _generator],
    ids=["shuffled", "generator"],
)
def test_a_skipped_epoch_leaves_what_one_that_was_read_leaves(split: Any, steps: int | None, training: bool) -> None:
    """The epoch after a skipped one has the batches of the second epoch of an uninterrupted trial."""

    def reader() -> SplitReader:
        seed_generators(3, "reading")
        made = SplitReader(split(), _model(), 4, training=training, steps=steps)
        # As after the model was built on the first batch.
        made.batches.reset()
        return made

    whole = reader()
    expected = [_epoch(whole, training=training) for _ in range(2)][1]
    resumed = reader()
    resumed.skip()
    assert _epoch(resumed, training=training) == expected


def test_hooks_get_each_call_and_may_end_the_epoch() -> None:
    """Hooks get the numbers of a call's first and last batch; the epoch ends once a callback has stopped it."""
    heard: list[tuple[Any, ...]] = []
    reader = SplitReader(_shuffled(), _model(), 4, training=False)
    logs = reader.run(
        lambda iterator: {"rows": len(next(iterator)[1])},
        (lambda first: heard.append(("begin", first)), lambda last, logs: heard.append(("end", last, logs["rows"]))),
        lambda: len(heard) == 4,
    )
    assert heard == [("begin", 0), ("end", 0, 4), ("begin", 1), ("end", 1, 4)]
    assert logs == {"rows": 4}


@pytest.mark.parametrize(
    ("train", "batches", "fit", "steps"),
    [
        pytest.param(_shuffled(), None, {}, 64, id="unknown length"),
        pytest.param(_shuffled(), 6, {}, 6, id="a short pass"),
        pytest.param(_shuffled().repeat(), None, {"steps_per_epoch": 6, "validation_steps": 4}, 2, id="limits"),
        pytest.param(_shuffled().repeat(), None, {"steps_per_epoch": 200}, 50, id="a long epoch"),
        pytest.param(_shuffled().filter(lambda _x, _y: True), None, {"steps_per_epoch": 6}, 1, id="counted by calls"),
    ],
)
def test_steps_of_a_call_divide_the_epoch(train: Any, batches: int | None, fit: dict[str, Any], steps: int) -> None:
    """The steps of a call divide every limit, at most 64, and are one if Keras counts batches by calls."""
    assert steps_per_call(Dataset("rows", train), batches, FitArguments(**fit)) == steps
