"""The backend of Keras where a program chooses another than TensorFlow."""

import sys
from types import SimpleNamespace

import pytest

from pipeline.errors import ModelError
from pipeline.training.process import other_backend, refuse_other_backend, refuse_other_keras


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


@pytest.mark.parametrize(("chosen", "refused"), [(None, False), ("", False), ("tensorflow", False), ("torch", True)])
def test_a_backend_that_is_chosen_late_is_refused(
    chosen: str | None, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend other than TensorFlow in the environment is refused with how to set it."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if chosen is not None:
        monkeypatch.setenv("KERAS_BACKEND", chosen)
    if refused:
        with pytest.raises(ModelError, match=f"remove KERAS_BACKEND .* Found: {chosen}"):
            refuse_other_backend()
    else:
        refuse_other_backend()


def test_keras_2_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that asks TensorFlow for Keras 2 is refused with how to remove that."""
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    with pytest.raises(ModelError, match=r"must be version 3\. Remove TF_USE_LEGACY_KERAS"):
        refuse_other_keras()
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "0")
    refuse_other_keras()


@pytest.mark.parametrize("eager", [True, False])
def test_graphs_of_tensorflow_1_are_refused(eager: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that turns eager execution off is refused with how to turn it on."""
    v1 = SimpleNamespace(executing_eagerly_outside_functions=lambda: eager)
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace(compat=SimpleNamespace(v1=v1)))  # type: ignore[arg-type]
    if eager:
        refuse_other_keras()
    else:
        with pytest.raises(ModelError, match=r"must execute eagerly\. Remove"):
            refuse_other_keras()
