"""The backend of Keras where a program chooses another than TensorFlow."""

import pytest

from pipeline.study.keras_backend import other_backend


@pytest.mark.parametrize(
    ("chosen", "error", "found"),
    [
        ("jax", ModuleNotFoundError("No module named 'jax'", name="jax"), "jax"),
        ("tensorflow", ModuleNotFoundError("No module named 'jax'", name="jax"), None),
        (None, ModuleNotFoundError("No module named 'torch'", name="torch"), None),
        ("jax", ModuleNotFoundError("No module named 'mine'", name="mine"), None),
        ("jax", ValueError("jax"), None),
    ],
)
def test_only_a_chosen_backend_that_is_missing_is_named(
    chosen: str | None, error: Exception, found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend is named where KERAS_BACKEND chooses it and it is not installed, not where a program imports it."""
    if chosen is None:
        monkeypatch.delenv("KERAS_BACKEND", raising=False)
    else:
        monkeypatch.setenv("KERAS_BACKEND", chosen)
    assert other_backend(error) == found
