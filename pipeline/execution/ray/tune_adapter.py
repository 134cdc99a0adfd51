"""A session as Ray Tune's Searcher (what runs next), TrialScheduler (what continues) and Stopper (when it ends).

Tune's controller calls the steps of `in_process.run_in_process`, which is the loop to read: `suggest` (a new trial) and
`choose_trial_to_run` (a paused one) are its `next`, `on_trial_result` is its `on_report`, `stop_all` its end.

Tune starts every PENDING trial by itself as soon as there is room, so a trial becomes PENDING only when the session
assigns it.
"""

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.util.metrics import Gauge

from pipeline.code.functions import takes_state
from pipeline.engine.engine import Verdict
from pipeline.engine.limits import report_seconds
from pipeline.engine.messages import EXPORT, Assignment, EpochRow, Report
from pipeline.errors import TunepipeError
from pipeline.execution.driver.session import Session
from pipeline.execution.ray.internals import actor_of, allow_failures, refuse_cached_actors, worker_failure_reason
from pipeline.execution.ray.trainable import ASSIGNMENT, REPORT
from pipeline.storage import layout
from pipeline.study import Resources
from pipeline.text import note

_POLL_SECONDS = 1.0
"""Seconds between two searches for hung workers."""

GAUGES = {
    "tunepipe_trials": ("Trials of a study in a state.", ("state",)),
    "tunepipe_trials_limit": ("Trials that a study has at most.", ()),
    "tunepipe_epochs": ("Epochs that a study has trained, over all sessions.", ()),
    "tunepipe_best": ("Best value of a study's first objective.", ("metric",)),
    "tunepipe_seconds": ("Seconds that a study's drivers were alive.", ()),
    "tunepipe_lost_workers": ("Workers that a study's trials have lost, over all sessions.", ()),
}
"""A study's state as metrics of its cluster, `ray_tunepipe_…` in Prometheus: description and labels by name. Each has
the study's name as a label, too."""

_GAUGE_SECONDS = 5.0

_MIN_SILENCE_SECONDS, _EPOCHS_OF_SILENCE = 600.0, 20
"""A worker hangs if it is silent for as long as this many of the longest epochs, and at least for these seconds."""
_REPORT_SLACK = 2.5
"""A report follows an epoch, the epochs that fit between two reports, and the checkpoint: in such intervals."""


@contextmanager
def _errors_recorded(session: Session) -> Iterator[None]:
    """Keep an error of tunepipe, such as a full disk, until Tune's controller has returned: it ends the study."""
    try:
        with session.interrupts.defer_signals():
            yield
    except TunepipeError as error:
        session.end_by(error)


class _Unsaved:
    """An object of which Tune saves nothing: the session's state is in the study's folder."""

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Do nothing."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing."""


class SessionSearcher(_Unsaved, Searcher):  # type: ignore[misc]
    """Passes new trials to Tune, and knows which assignments have a worker, and which are next."""

    def __init__(self, session: Session, workers: int) -> None:
        super().__init__(metric=None, mode=None)
        self.session, self.workers = session, workers
        self.tune_trials: dict[str, TuneTrial] = {}
        self.busy: set[str] = set()
        self.paused: Assignment | None = None
        """The assignment of a paused trial that resumes next."""
        self.restarted: deque[Assignment] = deque()
        """Assignments that need a new trial of Tune."""

    def suggest(self, trial_id: str) -> Any:
        """A new trial's config; None while there is nothing to start; FINISHED when the study has ended."""
        if self.restarted:
            return {ASSIGNMENT: self.restarted.popleft().to_json()}
        assignment = None
        if self.paused is None and len(self.busy) < self.workers:
            with _errors_recorded(self.session):
                assignment = self.session.next()
        if assignment is None:
            return None if self.busy else Searcher.FINISHED
        self.busy.add(assignment.key)
        if assignment.key in self.tune_trials:
            self.paused = assignment
            return None
        return {ASSIGNMENT: assignment.to_json()}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Do nothing: the session has the reports already."""


class SessionScheduler(_Unsaved, FIFOScheduler):  # type: ignore[misc]
    def __init__(self, searcher: SessionSearcher) -> None:
        super().__init__()
        self._searcher, self._session = searcher, searcher.session
        self._hang_detection = HangDetection(self._session.job.resources, searcher.workers)
        self._over_memory_limit: dict[str, str] = {}
        self._hung: dict[str, str] = {}
        self._retried: dict[str, Assignment] = {}
        self._polled = 0.0

    @property
    def supports_buffered_results(self) -> bool:
        """Whether Tune may report several results together: no, the session decides after each."""
        return False

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        """Remember which of Tune's trials has which assignment."""
        if not self._searcher.tune_trials:
            refuse_cached_actors(tune_controller, self._refuses)
        self._searcher.tune_trials[_assignment(trial).key] = trial
        self._set_max_failures(trial)

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        """Give the report to the session, and return its decision to Tune."""
        assignment = _assignment(trial)
        if assignment.key not in self._searcher.busy:
            return str(TrialScheduler.STOP)
        verdict: Verdict = "stop"
        report = Report.from_bytes(result[REPORT])
        self._hang_detection.on_report(assignment.key, report.rows)
        with _errors_recorded(self._session):
            verdict = self._session.on_report(assignment.trial_id, report)
        self._retried.pop(trial.trial_id, None)
        self._set_max_failures(trial)
        if report.over_memory_limit:
            self._over_memory_limit[trial.trial_id] = report.over_memory_limit
        if verdict == "continue":
            return str(TrialScheduler.CONTINUE)
        self._searcher.busy.discard(assignment.key)
        if verdict == "stop":
            return str(TrialScheduler.STOP)
        # Tune's own pause would have the trainable save once more; the worker has left its checkpoint already.
        tune_controller.pause_trial(trial, should_checkpoint=False)
        return str(TrialScheduler.NOOP)

    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        """Restart a trial whose worker is lost, unless the session lets the trial fail."""
        assignment, pending = _assignment(trial), trial.status == TuneTrial.PENDING
        self._over_memory_limit.pop(trial.trial_id, None)
        # Tune reports a worker that dies before the trial has begun twice: the worker, and the task that it had.
        retry = self._retried.pop(trial.trial_id, None) if pending else None
        if retry is None:
            reason = self._hung.pop(assignment.key, "") or worker_failure_reason(trial)
            with _errors_recorded(self._session):
                retry = self._session.on_worker_lost(assignment.trial_id, reason)
        if retry is None:
            self._searcher.busy.discard(assignment.key)
        elif pending:
            # Tune gives up a trial that had not begun, so the assignment needs a new one.
            self._searcher.restarted.append(retry)
        else:
            self._retried[trial.trial_id] = retry
            trial.set_config({ASSIGNMENT: retry.to_json()})
            self._set_max_failures(trial)

    def choose_trial_to_run(self, tune_controller: Any) -> TuneTrial | None:
        """The paused trial that resumes. Tune asks in every round, so hung workers are searched for here."""
        if time.monotonic() - self._polled >= _POLL_SECONDS:
            # With a thousand workers, a search takes as long as a report.
            self._kill_hung()
            self._polled = time.monotonic()
        assignment, self._searcher.paused = self._searcher.paused, None
        if assignment is None:
            return None
        trial = self._searcher.tune_trials[assignment.key]
        trial.set_config({ASSIGNMENT: assignment.to_json()})
        return trial

    def _set_max_failures(self, trial: TuneTrial) -> None:
        """Adapt Tune's count to the session's: Tune counts all lost workers, the session only those since an epoch."""
        allow_failures(trial, self._session.failures_left(_assignment(trial).trial_id))

    def _refuses(self, trial: TuneTrial) -> bool:
        """Whether Tune may not give a trial's worker to another trial, as it is over its memory limit."""
        if (excess := self._over_memory_limit.pop(trial.trial_id, None)) is None:
            return False
        ended = (
            f"The worker of trial {_assignment(trial).trial_id} ends, and the next trial gets a new process: {excess}."
        )
        note(ended)
        with _errors_recorded(self._session):
            self._session.store.append(layout.log("driver"), f"{ended}\n".encode())
        return True

    def _kill_hung(self) -> None:
        detection, trials = self._hang_detection, self._searcher.tune_trials
        actors = {key: actor_of(trials[key]) for key in self._searcher.busy if key in trials}
        running = {key: actor for key, actor in actors.items() if actor is not None}
        job = self._session.job
        # Pipelines that epochs share are read again up to the epoch.
        replays = job.fit.steps_per_epoch is not None if job.function is None else not takes_state(job.function)
        epochs = {key: _assignment(trials[key]).reported_epoch if replays else 0 for key in running}
        for key, seconds in detection.hung(epochs).items():
            self._hung[key] = f"no epoch in {seconds:.0f} s, so it is considered hung."
            ray.kill(running[key])


class HangDetection:
    """Measures the time since each worker's last report."""

    def __init__(self, resources: Resources, workers: int) -> None:
        self._workers, self._epoch_seconds, self._longest = workers, resources.epoch_seconds, 0.0
        self._reported_at: dict[str, float] = {}
        self._replayed: dict[str, int] = {}

    def on_report(self, key: str, rows: Sequence[EpochRow]) -> None:
        self._reported_at[key], self._replayed[key] = time.monotonic(), 0
        for row in rows:
            self._longest = max(self._longest, row["seconds_build"] + row["seconds_train"] + row["seconds_evaluate"])

    def hung(self, running: Mapping[str, int]) -> dict[str, float]:
        """The assignments whose workers have been silent for too long, and for how many seconds.

        `running` has the epochs that each replays before it reports the next one.
        """
        now = time.monotonic()
        self._reported_at = {key: self._reported_at.get(key, now) for key in running}
        self._replayed = {key: self._replayed.get(key, epochs) for key, epochs in running.items()}
        if self._epoch_seconds is not None:
            limit = self._epoch_seconds + _REPORT_SLACK * report_seconds(self._workers)
        elif self._longest:
            limit = max(_MIN_SILENCE_SECONDS, _EPOCHS_OF_SILENCE * self._longest)
        else:
            # How long an epoch takes is not known yet.
            return {}
        # The export is no epoch: a limit that the user sets for epochs does not apply to it.
        limits = {EXPORT: max(limit, _MIN_SILENCE_SECONDS)}
        silent = {key: now - moment for key, moment in self._reported_at.items()}
        step = self._epoch_seconds or self._longest
        extended = {key: limits.get(key, limit) + epochs * step for key, epochs in self._replayed.items()}
        found = {key: seconds for key, seconds in silent.items() if seconds > extended[key]}
        for key in found:
            # Another worker begins.
            del self._reported_at[key], self._replayed[key]
        return found


class SessionStopper(_Unsaved, tune.Stopper):  # type: ignore[misc]
    """Ends Tune's loop when a signal has come or the session has ended: Tune would wait for paused trials.

    Tune asks in every round, so the heartbeat and the gauges are updated here.
    """

    def __init__(self, session: Session) -> None:
        self._session, self._gauges, self._published = session, dict[str, Gauge](), 0.0
        for name, (description, labels) in GAUGES.items():
            self._gauges[name] = Gauge(name, description=description, tag_keys=("study", *labels))
            self._gauges[name].set_default_tags({"study": session.job.name})

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Whether to stop a trial: never, since the scheduler does."""
        return False

    def stop_all(self) -> bool:
        self._session.check_signals()
        with _errors_recorded(self._session):
            self._session.write_due()
        if time.monotonic() - self._published >= _GAUGE_SECONDS:
            self.publish_gauges()
        return self._session.ended

    def publish_gauges(self) -> None:
        engine, gauges = self._session.engine, self._gauges
        for state, count in engine.counts.items():
            gauges["tunepipe_trials"].set(count, {"state": str(state)})
        gauges["tunepipe_trials_limit"].set(engine.limit)
        gauges["tunepipe_epochs"].set(engine.total_epochs)
        gauges["tunepipe_seconds"].set(self._session.lease.seconds)
        gauges["tunepipe_lost_workers"].set(sum(trial.attempt - 1 for trial in engine.trials.values()))
        if (best := engine.best) is not None and best.best is not None:
            gauges["tunepipe_best"].set(best.best.value, {"metric": self._session.job.objective.metric})
        self._published = time.monotonic()


def _assignment(trial: TuneTrial) -> Assignment:
    return _read(trial.config[ASSIGNMENT])


@lru_cache(maxsize=4096)
def _read(text: str) -> Assignment:
    """An assignment from its JSON text, which is asked for several times with each report."""
    return Assignment.from_json(text)
