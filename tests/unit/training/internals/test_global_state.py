"""The global generators and name counters of Keras and TensorFlow."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.training import internals


def test_the_global_generators_are_saved_and_restored() -> None:
    """TensorFlow and Keras draw the same numbers again after their generators were restored."""

    def draws() -> list[float]:
        return [float(tf.random.uniform(())), float(keras.random.uniform(()))]

    tf.random.set_seed(3)
    draws()
    states = internals.library_generators()
    assert set(states) == {"keras", "tensorflow"}
    expected = draws()
    draws()
    internals.restore_library_generators(states)
    assert draws() == expected, (
        "Keras or TensorFlow keep their global generators in another place; see library_generators."
    )


def test_seeds_and_names_restart_without_internals(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fallbacks without Keras' internals reset names and seeds in the same way each time."""
    import random
    import sys

    for module in ("keras.src.backend.common", "keras.src.utils"):
        monkeypatch.setitem(sys.modules, module, None)
    found = []
    for _ in range(2):
        random.seed(1)
        internals.reset_names()
        internals.reset_seeds()
        found.append((keras.layers.Dense(1).name, np.asarray(keras.random.uniform((2,))).tolist()))
    assert found[0] == found[1]


def test_new_layers_get_other_names_than_those_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras counts on from the highest number of a reserved name; without internals, nothing is reserved."""
    import sys

    internals.reset_names()
    internals.reserve_names(["dense", "dense_2", "norm"])
    assert [keras.layers.Dense(1).name, keras.layers.Dropout(0.1).name] == ["dense_3", "dropout"]
    monkeypatch.setitem(sys.modules, "keras.src.backend.common", None)
    internals.reserve_names(["dense_7"])
    monkeypatch.undo()
    assert keras.layers.Dense(1).name == "dense_4"


def test_the_dtype_policy_follows_the_float_type_until_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no policy was set it is None, and what was read is restored; without Keras' internals it is the policy."""
    import sys

    from pipeline.training.global_state import kept_global_state

    with kept_global_state():
        internals.restore_dtype_policy(None)
        assert internals.chosen_dtype_policy() is None, "Keras keeps its policy elsewhere; see chosen_dtype_policy."
        keras.config.set_dtype_policy("mixed_bfloat16")
        policy = internals.chosen_dtype_policy()
        internals.restore_dtype_policy(None)
        internals.restore_dtype_policy(policy)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "keras.src.backend.common", None)
            assert internals.chosen_dtype_policy().name == "mixed_bfloat16"
