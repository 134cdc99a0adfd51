"""The studies of a storage, each read again only when its files have changed. Everything here can be read again."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from pipeline.engine.limits import seconds_left
from pipeline.engine.trial import LIVE_STATES
from pipeline.errors import JobNotFound, StorageError, UserError
from pipeline.execution.commands import is_paused
from pipeline.results.tables.load import AT_ONCE, Results, StudyRow, glance, load_results, stamp
from pipeline.storage import Store
from pipeline.storage.sessions import driver_seconds, read_sessions, state_of
from pipeline.study import TuneJob, layout
from pipeline.study.studies import study_names
from pipeline.study.trial_configs import trials_in_all

_T = TypeVar("_T")

_MAX_STUDIES, _DERIVED = 8, 20
"""Studies whose tables are in memory, and results of computations on each, some of which are as large as its tables."""

_POLL_SECONDS = 1.0
"""Seconds between two listings of a study's folders, at least."""

_SHARE = 0.25
"""At most this share of the time is spent on reading a study that changes all the time."""

_SPARKS = 60
"""Points of a sparkline."""


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


@dataclass(frozen=True, slots=True)
class StudyLine:
    """A study in the list: how many seconds are left, and its best value so far after each trial."""

    row: StudyRow
    left: float | None = None
    sparks: tuple[float, ...] = ()


@dataclass(slots=True)
class _CachedStudy:
    lock: threading.Lock = field(default_factory=threading.Lock)
    mark: str = ""
    looked: float = -1e9
    pause: float = _POLL_SECONDS
    snapshot: StudySnapshot | None = None


class StudyCache:
    """The studies of a storage, whose results stay in memory until their files change."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._lock, self._listing = threading.Lock(), threading.Lock()
        self._studies: OrderedDict[str, _CachedStudy] = OrderedDict()
        self._lines: dict[str, tuple[str, StudyLine]] = {}
        self._listed: list[StudyLine] = []
        self._list_again = -1e9

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
        """A text that changes when the study's files or its state do."""
        study = self._study(name)
        with study.lock:
            self._look(name, study)
            return study.mark

    def snapshot(self, name: str) -> StudySnapshot:
        """A study as it is, read again when its files have changed."""
        study = self._study(name)
        with study.lock:
            self._look(name, study)
            if study.snapshot is None or study.snapshot.mark != study.mark:
                before = time.monotonic()
                results = load_results(self.folder(name).uri)
                study.pause = max(_POLL_SECONDS, (time.monotonic() - before) / _SHARE)
                study.mark = f"{study.mark.partition('-')[0]}-{results.state}"
                study.snapshot = StudySnapshot(results, study.mark)
            return study.snapshot

    def results(self, name: str) -> Results:
        """The results of a study, as `snapshot` has them."""
        return self.snapshot(name).results

    def recent_lines(self) -> list[StudyLine]:
        """As `lines`, at most three times as old as reading the storage takes: many pages may ask repeatedly."""
        with self._listing:
            if time.monotonic() >= self._list_again:
                before = time.monotonic()
                self._listed = self.lines()
                after = time.monotonic()
                self._list_again = after + max(_POLL_SECONDS, (after - before) * (1 / _SHARE - 1))
            return self._listed

    def lines(self) -> list[StudyLine]:
        """The studies of the storage, the newest first; those that never started come last."""
        now, never = datetime.now(UTC), datetime.min.replace(tzinfo=UTC)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            lines = list(pool.map(lambda name: self._line(name, now), study_names(self.store)))
        return sorted(lines, key=lambda line: (line.row.started or never, line.row.name), reverse=True)

    def _study(self, name: str) -> _CachedStudy:
        self.folder(name)
        with self._lock:
            study = self._studies.setdefault(name, _CachedStudy())
            self._studies.move_to_end(name)
            while len(self._studies) > _MAX_STUDIES:
                self._studies.popitem(last=False)
            return study

    def _look(self, name: str, study: _CachedStudy) -> None:
        now = time.monotonic()
        if now - study.looked >= study.pause:
            store = self.folder(name)
            state = "" if study.snapshot is None else _state(store, study.snapshot)
            study.mark, study.looked = f"{stamp(store)}-{state}", now

    def _line(self, name: str, now: datetime) -> StudyLine:
        store = self.store.folder(name)
        try:
            mark = stamp(store)
        except UserError:
            mark = ""
        known, line = self._lines.get(name, ("", None))
        if line is None or known != mark or line.row.state in ("running", "paused", "unreadable"):
            line = _line(store, name, now)
            self._lines[name] = mark, line
        return line


def time_left(job: TuneJob, trials: pa.Table, seconds: float) -> float | None:
    """About how many seconds a running study still takes."""
    epochs = [count or 0 for count in trials["epochs"].to_pylist()]
    live = [state in LIVE_STATES for state in trials["state"].to_pylist()]
    return seconds_left(
        job.budget,
        rate=sum(epochs) / seconds if seconds else None,
        ended=[count for count, lives in zip(epochs, live, strict=True) if not lives],
        live=[count for count, lives in zip(epochs, live, strict=True) if lives],
        limit=trials_in_all(job),
        seconds=seconds,
    )


def _state(store: Store, snapshot: StudySnapshot) -> str:
    """The study's state now: a driver may have died without a trace in the files."""
    now = datetime.now(UTC)
    state = state_of(snapshot.results.sessions, now)
    if state != snapshot.results.state:
        # A new heartbeat may not change the size of its file.
        sessions = read_sessions(store)
        state = state_of(sessions, now)
        if state == snapshot.results.state:
            snapshot.results = replace(snapshot.results, sessions=sessions)
    return state


def _line(store: Store, name: str, now: datetime) -> StudyLine:
    row, study, trials = glance(store, name, now)
    if trials is None:
        return StudyLine(row)
    job, left = TuneJob.from_json(study["job"], load=False), None
    if row.state == "running" and (sessions := read_sessions(store, resume=True)):
        if is_paused(sessions[-1]):
            row = replace(row, state="paused")
        else:
            left = time_left(job, trials, driver_seconds(sessions))
    values = np.array(trials["objective"].to_numpy(), np.float64)
    usable = np.array([state != "failed" for state in trials["state"].to_pylist()], np.bool_)
    known = values[np.isfinite(values) & usable & (trials["violation"].to_numpy() == 0)]
    best = (np.maximum if job.objective.mode == "max" else np.minimum).accumulate(known)
    places = np.linspace(0, max(len(best) - 1, 0), min(len(best), _SPARKS)).round().astype(int)
    return StudyLine(row, left, tuple(best[np.unique(places)].tolist()))
