"""The trials that a free worker can start or continue, and those that have ended.

Every trial ends here, in exactly one state and with a decision that says why.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection
from typing import Literal

from pipeline.loop.decision_rows import DecisionRow, decision_row
from pipeline.loop.draws import Draw
from pipeline.loop.trial import Trial, TrialState
from pipeline.schedulers import Chosen, Decision, Scheduler
from pipeline.searchers import Suggestion
from pipeline.study import TuneJob, layout
from pipeline.study.trial_configs import seed_of_trial
from pipeline.trial_ids import draw_order

__all__ = ["TrialQueue"]


class TrialQueue:
    """Returns new and paused trials, as the scheduler chooses.

    Args:
        job: The study's job.
        scheduler: The scheduler.
        on_decision: Receives every decision.
        trials: All trials by id, in the order of their draw; new ones are added.
        limit: The largest number of trials in the study.
        draw: Returns the config of a new trial, with its reason, from its number and the trials before; None if there
            is none now.
        enqueued: Configs that users gave to the running study, tried before those of `draw`.
    """

    def __init__(
        self,
        job: TuneJob,
        scheduler: Scheduler,
        on_decision: Callable[[DecisionRow], None],
        trials: dict[str, Trial],
        *,
        limit: int,
        draw: Draw,
        enqueued: deque[Suggestion],
    ) -> None:
        self._job, self._scheduler, self._on_decision = job, scheduler, on_decision
        self._trials, self._limit, self._draw, self._enqueued = trials, limit, draw, enqueued
        self._live: dict[str, Trial] = {}
        self.counts: Counter[TrialState] = Counter()
        """How many trials are in each state."""
        # Updated with each change: a scan of all trials at each call is slow in a study with thousands of paused ones.
        self._waiting: dict[str, None] = {}
        self._from_users = 0

    def take(self) -> Trial | None:
        """Start the trial that runs next, and return it; None if there is none now."""
        chosen = self._scheduler.choose(self._waiting.keys()) if self._waiting else None
        if chosen is not None:
            del self._waiting[chosen.trial_id]
        self._stop_chosen(self._waiting.keys())
        if chosen is not None:
            return self._continue(self._trials[chosen.trial_id], chosen)
        return self._draw_trial()

    @property
    def running(self) -> bool:
        """Whether a worker has a trial."""
        return len(self._waiting) < len(self._live)

    @property
    def live(self) -> Collection[Trial]:
        """The trials that may still train."""
        return self._live.values()

    def rebuild(self) -> None:
        """Update the queue after trials were restored or were set to waiting."""
        self.counts = Counter(trial.state for trial in self._trials.values())
        self._from_users = sum(trial.enqueued for trial in self._trials.values())
        self._live = {trial_id: trial for trial_id, trial in self._trials.items() if trial.live}
        self._waiting = {trial_id: None for trial_id, trial in self._live.items() if trial.state != "running"}

    def adopt(self, job: TuneJob, limit: int) -> None:
        """Continue with another budget.

        Args:
            job: The job with that budget.
            limit: The largest number of trials in the study.
        """
        self._job, self._limit = job, limit

    def pause(self, trial: Trial) -> None:
        """Pause a trial until it is chosen again.

        Args:
            trial: The trial.
        """
        self._move(trial, "paused")
        self._waiting[trial.trial_id] = None

    def exhaust(self) -> None:
        """End the trials that are left when all are drawn, none runs and none was chosen, each with its reason."""
        self._stop_chosen(self._in_order(), exhausted=True)

    def cut_off(self, limit: str) -> None:
        """End all waiting and paused trials, because the study is over.

        Args:
            limit: The limit that was reached, in words.
        """
        for trial_id in self._in_order():
            trial = self._trials[trial_id]
            trial.cut_off = True
            self.end(trial, "stopped", decision_row(trial, "stop", Decision("stop", limit)))

    def end(self, trial: Trial, state: Literal["stopped", "completed", "failed"], row: DecisionRow) -> None:
        """End a trial.

        Args:
            trial: The trial.
            state: Its final state.
            row: The decision.
        """
        self._on_decision(row)
        self._move(trial, state)
        self._live.pop(trial.trial_id, None)
        self._waiting.pop(trial.trial_id, None)
        self._scheduler.end(trial.trial_id)

    def _in_order(self) -> list[str]:
        """Waiting and paused trials, in the order of their draw."""
        return sorted(self._waiting, key=draw_order)

    def _stop_chosen(self, candidates: Collection[str], *, exhausted: bool = False) -> None:
        stopped = self._scheduler.to_stop(candidates, exhausted=exhausted)
        for trial_id in stopped if exhausted else sorted(stopped, key=draw_order):
            decision = stopped[trial_id]
            trial = self._trials[trial_id]
            # With a larger budget it may continue.
            trial.cut_off = exhausted
            self.end(trial, "stopped", decision_row(trial, "stop", decision))

    def _continue(self, trial: Trial, chosen: Chosen) -> Trial:
        if chosen.promoted:
            row = DecisionRow(
                trial.trial_id,
                trial.epoch,
                "promote",
                chosen.reason,
                rung=chosen.rung,
                cutoff=chosen.cutoff,
                value=trial.value,
            )
        elif trial.started:
            reason = f"Continues after epoch {trial.epoch}: {chosen.reason}."
            row = DecisionRow(trial.trial_id, trial.epoch, "resume", reason)
        else:
            return self._begin(trial)
        self._on_decision(row)
        return self._start(trial)

    def _draw_trial(self) -> Trial | None:
        index = len(self._trials)
        if index >= self._limit:
            return None
        enqueued = bool(self._enqueued)
        # Enqueued configs do not count as draws of the searcher: a grid loses no point.
        drawn = self._enqueued.popleft() if enqueued else self._draw(index - self._from_users, self._trials.values())
        if drawn is None:
            return None
        self._from_users += enqueued
        seed = seed_of_trial(self._job, index)
        trial = Trial(layout.trial_id(index), drawn.config, seed, reason=drawn.reason, enqueued=enqueued)
        self._trials[trial.trial_id] = self._live[trial.trial_id] = trial
        self.counts[trial.state] += 1
        self._scheduler.add(trial.trial_id, drawn.config)
        return self._begin(trial)

    def _begin(self, trial: Trial) -> Trial:
        self._on_decision(DecisionRow(trial.trial_id, 0, "start", trial.reason, config_after=trial.config))
        return self._start(trial)

    def _start(self, trial: Trial) -> Trial:
        self._move(trial, "running")
        trial.started = True
        self._scheduler.start(trial.trial_id)
        return trial

    def _move(self, trial: Trial, state: TrialState) -> None:
        self.counts[trial.state] -= 1
        trial.state = state
        self.counts[state] += 1
