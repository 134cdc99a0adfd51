"""The explanation of a study, computed in the background: its page says that it is being computed."""

import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from pipeline.page.study_cache import StudyCache
from pipeline.page.study_snapshot import StudySnapshot
from pipeline.results.views.explanation import explanation_tables
from pipeline.results.views.table import Table

_TIMEOUT_SECONDS = 1.0
"""Seconds that a request waits for an explanation: most take less, and 10,000 trials take several."""

_MAX_COMPUTATIONS = 8
"""Studies whose explanations are in memory."""


@dataclass(frozen=True, slots=True)
class _Computation:
    """An explanation of a snapshot of a study, which may still be computed."""

    snapshot: StudySnapshot
    found: "Future[list[Table]]" = field(default_factory=Future)

    def run(self) -> None:
        try:
            self.found.set_result(explanation_tables(self.snapshot.results))
        except BaseException as error:
            self.found.set_exception(error)

    def serves(self, mark: str, asked: str) -> bool:
        """Whether it is the explanation of the study as it is, or of the snapshot that a waiting page asks for."""
        if not self.found.done():
            return True
        return self.found.exception() is None and self.snapshot.mark in (mark, asked)


class Explanations:
    """The explanations of a storage's studies: one computation for each study at a time."""

    def __init__(self, studies: StudyCache, *, timeout: float = _TIMEOUT_SECONDS) -> None:
        self._studies, self._timeout = studies, timeout
        self._lock = threading.Lock()
        self._computations: OrderedDict[str, _Computation] = OrderedDict()

    def content(self, name: str, asked: str = "") -> dict[str, Any]:
        """The content of the page."""
        snapshot = self._studies.snapshot(name)
        computation = self._computation(name, snapshot, asked)
        results = computation.snapshot.results
        try:
            tables = computation.found.result(self._timeout)
        except TimeoutError:
            waits = {"waits_for": computation.snapshot.mark, "trials": len(results.trials)}
            return {"name": name, "state": results.state, **waits, "tables": []}
        return {"name": name, "state": results.state, "waits_for": "", "tables": tables}

    def _computation(self, name: str, snapshot: StudySnapshot, asked: str) -> _Computation:
        with self._lock:
            known = self._computations.get(name)
            if known is None or not known.serves(snapshot.mark, asked):
                known = self._computations[name] = _Computation(snapshot)
                threading.Thread(target=known.run, name=f"explain {name}", daemon=True).start()
            self._computations.move_to_end(name)
            if len(self._computations) > _MAX_COMPUTATIONS:
                self._computations.popitem(last=False)
            return known
