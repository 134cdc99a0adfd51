"""A study's state as metrics of its Ray cluster, which monitoring collects: `ray_tunepipe_…` in Prometheus."""

import time
from collections import Counter
from collections.abc import Callable

from ray.util.metrics import Gauge

from pipeline.execution.session import Session
from pipeline.results.states import STATES

__all__ = ["METRICS", "Metrics"]

METRICS = {
    "tunepipe_trials": ("Trials of a study in a state.", ("state",)),
    "tunepipe_trials_limit": ("Trials that a study has at most.", ()),
    "tunepipe_epochs": ("Epochs that a study has trained, over all sessions.", ()),
    "tunepipe_best": ("Best value of a study's first objective.", ("metric",)),
    "tunepipe_seconds": ("Seconds that a study's drivers were alive.", ()),
    "tunepipe_lost_workers": ("Workers that a study's trials have lost, over all sessions.", ()),
}
"""What is told, with its labels; every one has the study's name as a label, too."""

_SECONDS = 5.0


class Metrics:
    """Publishes a session's state.

    Args:
        session: The study.
        clock: Seconds that never go back.
    """

    def __init__(self, session: Session, clock: Callable[[], float] = time.monotonic) -> None:
        self._session, self._clock = session, clock
        self._gauges = {
            name: Gauge(name, description=told, tag_keys=("study", *labels)) for name, (told, labels) in METRICS.items()
        }
        for gauge in self._gauges.values():
            gauge.set_default_tags({"study": session.job.name})
        self._due = 0.0

    def tell_if_due(self) -> None:
        """Publish, unless that was done a moment ago."""
        if self._clock() >= self._due:
            self._due = self._clock() + _SECONDS
            self.tell()

    def tell(self) -> None:
        """Publish how things stand."""
        session, gauges = self._session, self._gauges
        found = Counter(str(trial.state) for trial in session.trials.values())
        for state in STATES:
            gauges["tunepipe_trials"].set(found[state], {"state": state})
        gauges["tunepipe_trials_limit"].set(session.limit)
        gauges["tunepipe_epochs"].set(session.total_epochs)
        gauges["tunepipe_seconds"].set(session.seconds)
        gauges["tunepipe_lost_workers"].set(sum(trial.attempt - 1 for trial in session.trials.values()))
        if session.best is not None and session.best.best is not None:
            gauges["tunepipe_best"].set(session.best.best, {"metric": session.job.objective.metric})
