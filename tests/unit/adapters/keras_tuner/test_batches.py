"""The batches of a search."""

from typing import Any

import numpy as np
import pytest

from pipeline.adapters.keras_tuner.batches import batch_size_of, left_out_of_batches, validation_steps_of

X = np.zeros((150, 4))


@pytest.mark.parametrize(
    ("search", "size"),
    [
        ({"x": X}, 32),
        ({"x": X, "steps_per_epoch": 3}, 50),
        ({"x": {"a": X}, "steps_per_epoch": 4}, 38),
        ({"x": X, "steps_per_epoch": 3, "validation_split": 0.2}, 40),
        ({"x": X, "steps_per_epoch": 3, "batch_size": 16}, 16),
        ({"x": iter(()), "steps_per_epoch": 3}, 32),
    ],
)
def test_steps_without_a_batch_size_are_all_rows(search: Any, size: int) -> None:
    """A number of steps without a batch size divides the rows of arrays into as many batches, as in Keras."""
    import keras

    assert batch_size_of(search) == size
    if isinstance(search["x"], np.ndarray):
        sizes: list[int] = []

        class Rows(keras.Model):  # type: ignore[misc]
            def train_step(self, data: Any) -> dict[str, Any]:
                sizes.append(len(data[0]))
                return {"loss": keras.ops.zeros(())}

            def test_step(self, data: Any) -> dict[str, Any]:
                return {"loss": keras.ops.zeros(())}

        model = Rows()
        model.compile(run_eagerly=True)
        model.fit(epochs=1, verbose=0, y=X[:, 0], **search)
        assert sizes[0] == size


@pytest.mark.parametrize(
    ("search", "steps"),
    [
        ({"x": X, "validation_data": (X, X)}, None),
        ({"x": X, "validation_data": (X, X), "validation_steps": 1}, None),
        ({"x": X, "validation_data": (X, X), "validation_steps": 1, "batch_size": 16}, 1),
        ({"x": X, "validation_data": (X, X), "validation_steps": 2, "validation_batch_size": 64}, 4),
        ({"x": X, "validation_data": (X, X), "validation_steps": 9, "batch_size": 32}, None),
        ({"x": X, "validation_split": 0.2, "validation_steps": 1, "batch_size": 16}, 1),
        ({"x": X, "validation_split": 0.2, "validation_steps": 2, "batch_size": 16}, None),
        ({"x": X, "validation_data": iter(()), "validation_steps": 3}, 3),
    ],
)
def test_validation_has_the_rows_of_the_search(search: Any, steps: int | None) -> None:
    """Validation steps are as many rows as in Keras, and none where these are all rows."""
    assert validation_steps_of(search) == steps


def test_validation_of_other_rows_is_noted() -> None:
    """A validation whose rows are not a whole number of the training's batches is noted, and another one is not."""
    search = {"x": X, "validation_data": (X, X), "validation_steps": 1, "validation_batch_size": 16}
    assert left_out_of_batches(search) == [
        "validation_batch_size is ignored; an evaluation has 1 batch of 32 rows, and not 16 rows."
    ]
    for other in ({"batch_size": 16}, {"batch_size": 4}, {"validation_steps": None}, {"validation_batch_size": None}):
        assert left_out_of_batches({**search, **other}) == []


@pytest.mark.parametrize("nothing", [(), []])
def test_validation_data_may_be_empty(nothing: Any) -> None:
    """A program with its own `run_trial` may pass empty validation data."""
    search = {"x": X, "validation_data": nothing, "validation_steps": 2}
    assert validation_steps_of(search) == 2
    assert left_out_of_batches(search) == []


def test_arrays_without_rows_have_batches_of_one() -> None:
    """Arrays without rows are left to the checks of the data: the arguments of a search are read without an error."""
    search = {"x": X[:0], "steps_per_epoch": 3, "validation_data": (X, X), "validation_steps": 1, "batch_size": None}
    assert batch_size_of(search) == 1
    assert validation_steps_of({**search, "validation_batch_size": 4}) == 4
