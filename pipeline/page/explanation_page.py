"""The explanation of a study, computed in the background: its page says that it is being computed."""

import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from pipeline.page.study_cache import StudyCache
from pipeline.page.study_snapshot import StudySnapshot
from pipeline.results.analysis.explanation import Explanation, explained
from pipeline.results.views.answers import PREDICTED, answers, importance_title, prediction_rows, share_rows
from pipeline.results.views.sentences import of_importance

_TIMEOUT_SECONDS = 1.0
"""Seconds that a request waits for an explanation: most take less, and 10,000 trials take several."""

_MAX_COMPUTATIONS = 8
"""Studies whose explanations are in memory."""


@dataclass(frozen=True, slots=True)
class _Computation:
    """An explanation of a snapshot of a study, which may still be computed."""

    snapshot: StudySnapshot
    found: "Future[Explanation]" = field(default_factory=Future)

    def run(self) -> None:
        try:
            self.found.set_result(explained(self.snapshot.results))
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
            explanation = computation.found.result(self._timeout)
        except TimeoutError:
            nothing: dict[str, Any] = {"importances": [], "sections": [], "causes": []}
            waits = {"waits_for": computation.snapshot.mark, "trials": len(results.trials)}
            return {"name": name, "state": results.state, **waits, **nothing}
        return {"name": name, "state": results.state, "waits_for": "", **_shown(explanation)}

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


def _shown(explanation: Explanation) -> dict[str, Any]:
    rows = prediction_rows(explanation.predictions)
    return {
        "importances": [
            {"title": importance_title(importance), "text": of_importance(importance), "rows": share_rows(importance)}
            for importance in explanation.importances
        ],
        "sections": list(answers(explanation).items()),
        "predicted": {"title": PREDICTED, "metric": explanation.results.objective.metric, "rows": rows},
        "causes": explanation.causes,
    }
