"""The threads that libraries use for matrices."""

from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any


def one_thread() -> AbstractContextManager[Any]:
    """A context in which operations on matrices use one thread.

    Small matrices gain nothing from threads, and the trials need the cores.
    """
    controller: AbstractContextManager[Any] = _controller().limit(limits=1)
    return controller


@lru_cache(maxsize=1)
def _controller() -> Any:
    """The controller that limits threads, cached because finding the libraries takes longer than many a draw."""
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
