"""Draws of a job's file while it is imported: the same in every process."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["seeded_import"]

_SEED = 0


@contextmanager
def seeded_import() -> Iterator[None]:
    """Start Python's and NumPy's generators from a fixed seed, and restore them afterwards.

    A layer, an initialiser or a seed generator of Keras that a file makes at its top, and that has no seed, draws one
    from Python's generator: workers would otherwise train with different ones.
    """
    import numpy as np

    python, numpy = random.getstate(), np.random.get_state()
    random.seed(_SEED)
    np.random.seed(_SEED)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
