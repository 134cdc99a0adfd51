"""The global random generators."""

import random
import sys
from collections.abc import Iterator

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.training.generators import GeneratorStates, seed_globally, seeded_globally, seeding_imports


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Restores the states of the generators for other tests."""
    states = GeneratorStates.now()
    yield
    states.restore()


def _drawn() -> list[float]:
    """A number from each generator."""
    return [
        random.random(),
        float(np.random.random()),
        float(tf.random.uniform(())),
        float(keras.ops.convert_to_numpy(keras.random.uniform(()))),
    ]


def test_a_seed_restarts_all_generators() -> None:
    """A seed restarts the generators of Python, NumPy, TensorFlow and Keras, and another seed differs."""
    drawn = []
    for seed in (1, 1, 2):
        seed_globally(seed)
        drawn.append(_drawn())
    assert drawn[0] == drawn[1]
    assert all(one != other for one, other in zip(drawn[0][:3], drawn[2][:3], strict=True))


def test_states_continue_where_they_were_saved() -> None:
    """Generators continue from a saved state, even after its conversion to JSON values and arrays."""
    seed_globally(3)
    _drawn()
    states = GeneratorStates.now().with_libraries()
    expected = _drawn()
    for again in (states, GeneratorStates.from_tree(states.to_tree())):
        seed_globally(9)
        again.restore()
        assert _drawn() == expected


def test_states_of_the_libraries_are_taken_only_if_asked_for() -> None:
    """The saved states have no state of TensorFlow and Keras unless it is requested."""
    assert GeneratorStates.now().libraries == {}
    assert GeneratorStates.now().with_libraries().libraries != {}


def test_imports_are_not_watched_after_the_libraries_are_loaded() -> None:
    """Python's own finders are unchanged within the context and after it."""
    before = list(sys.meta_path)
    with seeding_imports(1), seeded_globally(1, gpus=True):
        assert sys.meta_path == before
    assert sys.meta_path == before
