"""Ray Tune's two questions, answered by a Session: what runs next (Searcher), and does it go on (TrialScheduler).

Tune starts every PENDING trial by itself as soon as there is room, so a trial becomes PENDING only when the session
says that it is its turn. A new one is handed over by `suggest`, a paused one by `choose_trial_to_run`.
"""

from collections import deque
from pathlib import Path
from typing import Any

import ray
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from pipeline.course.course import Verdict
from pipeline.course.messages import Assignment, Report
from pipeline.execution.session import Session
from pipeline.execution.trainable import ASSIGNMENT, REPORT

__all__ = ["SessionScheduler", "SessionSearcher"]


class _Handover:
    """Whose turn it is: what the searcher and the scheduler share."""

    def __init__(self, session: Session, workers: int) -> None:
        self.session = session
        self.workers = workers
        self.known: dict[str, TuneTrial] = {}
        self.busy: set[str] = set()
        self.chosen: Assignment | None = None
        self.again: deque[Assignment] = deque()

    def take(self) -> Assignment | None:
        """The next assignment, if a worker is free for it."""
        if self.chosen is not None or len(self.busy) >= self.workers:
            return None
        assignment = None
        with self.session.guarded():
            assignment = self.session.next()
        if assignment is not None:
            self.busy.add(assignment.key)
        return assignment


class SessionSearcher(Searcher):  # type: ignore[misc]
    """Hands new trials to Tune.

    Args:
        session: The study.
        workers: How many trials run at once.
    """

    def __init__(self, session: Session, workers: int) -> None:
        super().__init__(metric=None, mode=None)
        self.turn = _Handover(session, workers)

    def suggest(self, trial_id: str) -> Any:
        """A new trial's config; None while there is nothing to start; FINISHED when the study has ended."""
        if self.turn.again:
            return {ASSIGNMENT: self.turn.again.popleft().to_json()}
        assignment = self.turn.take()
        if assignment is None:
            idle = not self.turn.busy and self.turn.chosen is None
            return Searcher.FINISHED if idle else None
        if assignment.key in self.turn.known:
            self.turn.chosen = assignment
            return None
        return {ASSIGNMENT: assignment.to_json()}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing to learn: the session has heard the reports."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the session's state lies with the study."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore."""


class SessionScheduler(TrialScheduler):  # type: ignore[misc]
    """Carries out the session's verdicts.

    Args:
        searcher: The searcher of the same study.
    """

    _supports_buffered_results = False

    def __init__(self, searcher: SessionSearcher) -> None:
        super().__init__()
        self._turn = searcher.turn
        self._session = searcher.turn.session
        self._worn: set[str] = set()
        self._hung: dict[str, str] = {}
        self._again: dict[str, Assignment] = {}
        self._replacing = False

    def on_trial_add(self, tune_controller: TuneController, trial: TuneTrial) -> None:
        """Remember which of Tune's trials is which of ours."""
        self._turn.known[_assignment(trial).key] = trial
        self._tell_losses_left(trial)
        if not self._replacing:
            self._replacing = True
            self._replace_worn(tune_controller)

    def on_trial_result(self, tune_controller: TuneController, trial: TuneTrial, result: dict[str, Any]) -> str:
        """Ask the session, and tell Tune."""
        key = _assignment(trial).key
        if key not in self._turn.busy:
            return str(TrialScheduler.STOP)
        verdict: Verdict = "stop"
        report = Report.from_bytes(result[REPORT])
        with self._session.guarded():
            verdict = self._session.report(_assignment(trial).trial_id, report)
        self._again.pop(trial.trial_id, None)
        self._tell_losses_left(trial)
        if report.worn:
            self._worn.add(trial.trial_id)
        if verdict == "continue":
            return str(TrialScheduler.CONTINUE)
        self._turn.busy.discard(key)
        if verdict == "stop":
            return str(TrialScheduler.STOP)
        # Tune's own pause would have the trainable save once more; ours has left its checkpoint already.
        tune_controller.pause_trial(trial, should_checkpoint=False)
        return str(TrialScheduler.NOOP)

    def on_trial_error(self, tune_controller: TuneController, trial: TuneTrial) -> None:
        """A worker is gone: the trial starts again as long as the session has losses left for it."""
        assignment = _assignment(trial)
        key = assignment.key
        self._worn.discard(trial.trial_id)
        # A worker that dies before the trial has begun on it is told of twice: by itself, and by the task it was given.
        again = self._again.pop(trial.trial_id, None) if trial.status == TuneTrial.PENDING else None
        if again is None:
            again = self._session.lost(assignment.trial_id, self._hung.pop(key, "") or _told(trial))
        if again is None:
            self._turn.busy.discard(key)
        elif trial.status == TuneTrial.PENDING:
            # Tune gives up a trial that had not begun, so ours needs a new one.
            self._turn.again.append(again)
        else:
            self._again[trial.trial_id] = again
            trial.set_config({ASSIGNMENT: again.to_json()})
            self._tell_losses_left(trial)

    def on_trial_complete(self, tune_controller: TuneController, trial: TuneTrial, result: dict[str, Any]) -> None:
        """The session has decided so itself."""

    def on_trial_remove(self, tune_controller: TuneController, trial: TuneTrial) -> None:
        """The session has decided so itself."""

    def choose_trial_to_run(self, tune_controller: TuneController) -> TuneTrial | None:
        """The paused trial whose turn it is. Tune asks in every round, so this is where hung workers are looked for."""
        self._kill_hung()
        assignment, self._turn.chosen = self._turn.chosen, None
        if assignment is None:
            return None
        trial = self._turn.known[assignment.key]
        trial.set_config({ASSIGNMENT: assignment.to_json()})
        return trial

    def _tell_losses_left(self, trial: TuneTrial) -> None:
        """Tune counts the workers lost in all, and looks before it asks; the session forgives those before an epoch."""
        trial.max_failures = trial.run_metadata.num_failures + self._session.losses_left(_assignment(trial).trial_id)

    def _replace_worn(self, tune_controller: TuneController) -> None:
        """Keep Tune from giving a worker that has grown too large to another trial.

        Tune reuses every worker or none; to take one out between two trials there is only its own method that puts a
        worker aside for the next trial.
        """
        keep = tune_controller._maybe_cache_trial_actor

        def keep_unless_worn(trial: TuneTrial) -> bool:
            if trial.trial_id in self._worn:
                self._worn.discard(trial.trial_id)
                return False
            return bool(keep(trial))

        getattr(tune_controller, "_tune_controller", tune_controller)._maybe_cache_trial_actor = keep_unless_worn

    def _kill_hung(self) -> None:
        at_work = {key: self._turn.known[key] for key in self._turn.busy if key in self._turn.known}
        running = {key: trial for key, trial in at_work.items() if trial.temporary_state.ray_actor is not None}
        for key in self._session.watch.silent(running):
            self._hung[key] = f"no epoch in {self._session.watch.silence(key):.0f} s, so it was taken for hung."
            self._session.watch.hear(key)
            ray.kill(running[key].temporary_state.ray_actor)

    def debug_string(self) -> str:
        """What Tune would print; it prints nothing here."""
        return self._session.job.scheduler.kind

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the session's state lies with the study."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore."""


def _told(trial: TuneTrial) -> str:
    """Why a trial's worker is gone, as Ray has it: one sentence."""
    text = Path(trial.error_file).read_text() if trial.error_file else ""
    lines = [line for line in text.rpartition("Failure # ")[2].splitlines()[1:] if line.strip()]
    if not lines:
        return "Ray tells no reason."
    # The death of a process stands in the first line; an exception in its start stands in the last.
    return lines[0] if lines[0].startswith("The actor died unexpectedly") else lines[-1].strip()


def _assignment(trial: TuneTrial) -> Assignment:
    return Assignment.from_json(trial.config[ASSIGNMENT])
