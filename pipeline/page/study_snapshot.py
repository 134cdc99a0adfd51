"""A snapshot of a study: its results, and what follows from them."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from pipeline.results.tables.load import Results

_T = TypeVar("_T")

_DERIVED = 200
"""Results of computations that are kept."""


class StudySnapshot:
    """A study as it was read, so that one page shows one state of it; several threads may use it at the same time."""

    def __init__(self, results: Results, mark: str) -> None:
        self.results, self.mark = results, mark
        self._lock = threading.Lock()
        self._derived: OrderedDict[Any, Future[Any]] = OrderedDict()

    def derived(self, key: Any, compute: Callable[[Results], _T]) -> _T:
        """What follows from the results, computed once; other threads that ask meanwhile wait for it."""
        with self._lock:
            known: Future[_T] | None = self._derived.get(key)
            future = Future[_T]() if known is None else known
            self._derived[key] = future
            self._derived.move_to_end(key)
            if len(self._derived) > _DERIVED:
                self._derived.popitem(last=False)
        if known is None:
            # Without the lock: a computation of seconds must not delay access to finished results.
            try:
                future.set_result(compute(self.results))
            except BaseException as error:
                future.set_exception(error)
                with self._lock:
                    self._derived.pop(key, None)
        return future.result()
