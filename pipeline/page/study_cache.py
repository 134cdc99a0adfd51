"""The studies of a storage, each read again only when its files have changed.

It keeps no state: everything here can be read again from the storage.
"""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np

from pipeline.engine.trial import LIVE_STATES
from pipeline.errors import JobNotFound, StorageError, UserError
from pipeline.execution.commands import is_paused
from pipeline.page.study_snapshot import StudySnapshot
from pipeline.results.analysis.queries import seconds_left
from pipeline.results.tables.load import AT_ONCE, Results, StudyRow, glance, load_results, stamp
from pipeline.storage import Store
from pipeline.storage.sessions import driver_seconds, read_sessions, state_of
from pipeline.study import TuneJob, layout
from pipeline.study.studies import study_names
from pipeline.study.trial_configs import trials_in_all

_T = TypeVar("_T")

_MAX_STUDIES = 8
"""Studies whose tables are in memory at the same time."""

_POLL_SECONDS = 1.0
"""Seconds between two listings of a study's folders, at least."""

_SHARE = 0.25
"""At most this share of the time is spent on reading a study that changes all the time."""

_SPARKS = 60
"""Points of a sparkline."""


@dataclass(frozen=True, slots=True)
class StudyLine:
    """A study in the list."""

    row: StudyRow
    left: float | None
    sparks: list[float]
    mode: str


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
        self._lock = threading.Lock()
        self._studies: OrderedDict[str, _CachedStudy] = OrderedDict()
        self._lines: dict[str, tuple[str, StudyLine]] = {}
        self._listing = threading.Lock()
        self._listed: list[StudyLine] = []
        self._list_again = -math.inf

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
                spent = time.monotonic() - before
                study.pause = max(_POLL_SECONDS, spent / _SHARE)
                study.mark = f"{study.mark.partition('-')[0]}-{results.state}"
                study.snapshot = StudySnapshot(results, study.mark)
            return study.snapshot

    def results(self, name: str) -> Results:
        """The results of a study, as `snapshot` has them."""
        return self.snapshot(name).results

    def derived(self, name: str, key: Any, compute: Callable[[Results], _T]) -> _T:
        """What follows from a study's results, computed once for each snapshot of it."""
        return self.snapshot(name).derived(key, compute)

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
        now = datetime.now(UTC)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            lines = list(pool.map(lambda name: self._line(name, now), study_names(self.store)))
        order = {line.row.name: line.row.started or datetime.min.replace(tzinfo=UTC) for line in lines}
        return sorted(lines, key=lambda line: (order[line.row.name], line.row.name), reverse=True)

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
        if now - study.looked < study.pause:
            return
        store = self.folder(name)
        state = "" if study.snapshot is None else _state(store, study.snapshot)
        study.mark = f"{stamp(store)}-{state}"
        study.looked = now

    def _line(self, name: str, now: datetime) -> StudyLine:
        store = self.store.folder(name)
        try:
            mark = stamp(store)
        except UserError:
            mark = ""
        known = self._lines.get(name)
        if known is not None and known[0] == mark and known[1].row.state not in ("running", "paused", "unreadable"):
            return known[1]
        line = _line(store, name, now)
        self._lines[name] = mark, line
        return line


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
        return StudyLine(row, None, [], "max")
    job = TuneJob.from_json(study["job"], load=False)
    values = np.array(trials["objective"].to_numpy(), np.float64)
    states, epochs = trials["state"].to_pylist(), [int(each or 0) for each in trials["epochs"].to_pylist()]
    values[[state == "failed" for state in states]] = np.nan
    if "violation" in trials.column_names:  # Earlier versions knew no bounds.
        values[trials["violation"].to_numpy() > 0] = np.nan
    left, sessions = None, read_sessions(store, resume=True) if row.state == "running" else ()
    if sessions and is_paused(sessions[-1]):
        row = replace(row, state="paused")
    elif sessions:
        seconds = driver_seconds(sessions)
        left = seconds_left(
            job.budget,
            rate=sum(epochs) / seconds if seconds else None,
            ended=[count for count, state in zip(epochs, states, strict=True) if state not in LIVE_STATES],
            live=[count for count, state in zip(epochs, states, strict=True) if state in LIVE_STATES],
            limit=trials_in_all(job),
            seconds=seconds,
        )
    return StudyLine(row, left, _sparks(values, job.objective.mode), job.objective.mode)


def _sparks(values: np.ndarray, mode: str) -> list[float]:
    """The best value so far after each trial with a value, thinned."""
    known = values[np.isfinite(values)]
    best = (np.maximum if mode == "max" else np.minimum).accumulate(known) if len(known) else known
    if not len(best):
        return []
    places = np.unique(np.linspace(0, len(best) - 1, min(len(best), _SPARKS)).round().astype(int))
    return [float(best[place]) for place in places]
