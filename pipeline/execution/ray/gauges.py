"""A study's state as metrics of its Ray cluster, for monitoring: `ray_tunepipe_…` in Prometheus."""

import time

from ray.util.metrics import Gauge

from pipeline.execution.driver.session import Session

GAUGES = {
    "tunepipe_trials": ("Trials of a study in a state.", ("state",)),
    "tunepipe_trials_limit": ("Trials that a study has at most.", ()),
    "tunepipe_epochs": ("Epochs that a study has trained, over all sessions.", ()),
    "tunepipe_best": ("Best value of a study's first objective.", ("metric",)),
    "tunepipe_seconds": ("Seconds that a study's drivers were alive.", ()),
    "tunepipe_lost_workers": ("Workers that a study's trials have lost, over all sessions.", ()),
}
"""Name → description and labels; each gauge has the study's name as a label, too."""

_SECONDS = 5.0


class StudyGauges:
    """Publishes a session's state."""

    def __init__(self, session: Session) -> None:
        self._session, self._due = session, 0.0
        self._gauges = {
            name: Gauge(name, description=description, tag_keys=("study", *labels))
            for name, (description, labels) in GAUGES.items()
        }
        for gauge in self._gauges.values():
            gauge.set_default_tags({"study": session.job.name})

    def publish_if_due(self) -> None:
        """Publish, unless that was done in the last seconds."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _SECONDS
            self.publish()

    def publish(self) -> None:
        """Publish the current state."""
        engine, gauges = self._session.engine, self._gauges
        for state, count in engine.counts.items():
            gauges["tunepipe_trials"].set(count, {"state": str(state)})
        gauges["tunepipe_trials_limit"].set(engine.limit)
        gauges["tunepipe_epochs"].set(engine.total_epochs)
        gauges["tunepipe_seconds"].set(self._session.lease.seconds)
        gauges["tunepipe_lost_workers"].set(sum(trial.attempt - 1 for trial in engine.trials.values()))
        if (best := engine.best) is not None and best.best is not None:
            gauges["tunepipe_best"].set(best.best.value, {"metric": self._session.job.objective.metric})
