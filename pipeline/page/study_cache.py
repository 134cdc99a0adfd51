"""The studies of a storage, each read again only when its files have changed. Everything here can be read again."""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

from pipeline.errors import JobNotFound, StorageError
from pipeline.results.tables.load import Results, StudyRow, load_results, overview, stamp
from pipeline.storage import Store, layout
from pipeline.storage.sessions import read_sessions, state_of

_T = TypeVar("_T")

_MAX_STUDIES, _DERIVED = 8, 20
"""Studies whose tables are in memory, and results of computations on each, some of which are as large as its tables."""

_POLL_SECONDS = 1.0
"""Seconds between two listings of a study's folders, at least."""

PAUSE = 3
"""How many times as long as reading a study, or the list of all, takes the next reading waits."""


class StudySnapshot:
    """A study as it was read, so that one page shows one state of it; several threads may use it at the same time."""

    def __init__(self, results: Results, mark: str) -> None:
        self.results, self.mark = results, mark
        self._lock = threading.RLock()
        self._derived: dict[Any, Any] = {}

    def derived(self, key: Any, compute: Callable[[Results], _T]) -> _T:
        """What follows from the results, computed once."""
        with self._lock:
            found: _T = self._derived.pop(key) if key in self._derived else compute(self.results)
            self._derived[key] = found  # the last used is the last
            if len(self._derived) > _DERIVED:
                del self._derived[next(iter(self._derived))]
            return found


@dataclass(slots=True)
class _CachedStudy:
    lock: threading.Lock = field(default_factory=threading.Lock)
    mark: str = ""
    again: float = 0.0
    """When the study's files are looked at again."""
    snapshot: StudySnapshot | None = None


class StudyCache:
    """The studies of a storage, whose results stay in memory until their files change."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._study: Callable[[str], _CachedStudy] = lru_cache(_MAX_STUDIES)(lambda _: _CachedStudy())

    def folder(self, name: str) -> Store:
        """The folder of a study."""
        if name and not name.startswith(".") and "/" not in name:
            try:
                store = self.store.folder(name)
                if store.exists(layout.STUDY):
                    return store
            except (StorageError, FileNotFoundError):
                pass
        raise JobNotFound(f"There is no study {name!r:.100} in {self.store.uri}.")

    def mark(self, name: str) -> str:
        """A text that changes when the study's files or its state do; of the list of all studies without a name."""
        if not name:
            return mark_of(overview(self.store))
        store, study = self.folder(name), self._study(name)
        with study.lock:
            self._look(store, study)
            return study.mark

    def snapshot(self, name: str) -> StudySnapshot:
        """A study as it is, read again when its files have changed."""
        store, study = self.folder(name), self._study(name)
        with study.lock:
            self._look(store, study)
            if study.snapshot is None or study.snapshot.mark != study.mark:
                before = time.monotonic()
                study.snapshot = StudySnapshot(load_results(store.uri), study.mark)
                study.again = time.monotonic() + max(_POLL_SECONDS, PAUSE * (time.monotonic() - before))
            return study.snapshot

    def _look(self, store: Store, study: _CachedStudy) -> None:
        now = time.monotonic()
        if now >= study.again:
            # A driver may have died without a trace in the files.
            state = state_of(read_sessions(store, only_last=True))
            study.mark, study.again = f"{stamp(store)}-{state}", now + _POLL_SECONDS


def mark_of(rows: Sequence[StudyRow]) -> str:
    """A text that changes when the list of studies does."""
    return hashlib.sha256(repr(rows).encode(errors="replace")).hexdigest()[:16]
