"""Numbers for the iterators of a pipeline."""

import tensorflow as tf

from pipeline.training.iterator_numbers import iterator_numbers


def _first_of_each(seed: int) -> list[int]:
    numbers = iterator_numbers(seed)
    return [int(next(iter(numbers))) for _ in range(3)]


def test_iterators_have_numbers_of_their_own_by_the_seed_alone() -> None:
    """Each iterator begins with another number, which depends on the seed and not on TensorFlow's global one."""
    tf.random.set_seed(1)
    first = _first_of_each(7)
    tf.random.set_seed(2)
    assert _first_of_each(7) == first
    assert len(set(first)) == 3
    assert _first_of_each(8) != first
