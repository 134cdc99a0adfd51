"""Classes and functions of a notebook that are registered with Keras."""

from collections.abc import Iterator

import keras
import pytest

from pipeline.training.global_state import register, registered


class Own(keras.layers.Layer):
    """A user's layer."""


class Other(keras.layers.Layer):
    """A layer of another module."""


@pytest.fixture(autouse=True)
def _custom_objects(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two registered layers, the first as of a notebook; Keras' table is as before afterwards."""
    monkeypatch.setattr(Own, "__module__", "__main__")
    known = keras.saving.get_custom_objects()
    before = dict(known)
    keras.saving.register_keras_serializable("mine", "own")(Own)
    keras.saving.register_keras_serializable("mine", "other")(Other)
    yield
    known.clear()
    known.update(before)


def test_objects_that_a_notebook_registered_are_found() -> None:
    """Objects that a notebook registered are found by name, and those of modules are imported by workers."""
    assert registered() == {"mine>own": Own}
    assert registered(Other.__module__) == {"mine>other": Other}


def test_another_process_registers_it_under_the_same_name() -> None:
    """Another process registers the class under the same package and name, so that a saved model finds it."""
    found = registered()
    keras.saving.get_custom_objects().clear()
    register(found)
    assert keras.saving.get_registered_object("mine>own") is Own
    register({})
    assert dict(keras.saving.get_custom_objects()) == {"mine>own": Own}
