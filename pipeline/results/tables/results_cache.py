"""Functions of a study's results that compute their answer once: several pictures and sentences ask for it."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

_Results = TypeVar("_Results")
"""`Results`, whose module uses this one."""

_Answer = TypeVar("_Answer")


def cache_per_results(compute: Callable[[_Results], _Answer]) -> Callable[[_Results], _Answer]:
    """Decorate a function so that it computes its answer once for the same results, and keeps it as long as these."""
    answers: WeakKeyDictionary[_Results, _Answer] = WeakKeyDictionary()

    @wraps(compute)
    def answer(results: _Results) -> _Answer:
        if results not in answers:
            answers[results] = compute(results)
        return answers[results]

    return answer
