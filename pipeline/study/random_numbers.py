"""Python's and NumPy's generators while the user's code draws: the same numbers in every process."""

import random
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def same_random_numbers(seed: int = 0) -> Iterator[None]:
    """A context in which the generators of Python and NumPy begin at the same numbers; they get their states back.

    A job's file is imported in it: a layer, an initialiser or a seed generator of Keras that a file makes at its top,
    and that has no seed, draws one from Python's generator, and workers would otherwise train with different ones.
    """
    import numpy as np

    python, numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
