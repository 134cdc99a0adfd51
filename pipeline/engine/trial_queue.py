"""The trials that a free worker can start or continue, and those that have ended.

Every trial ends here, in exactly one state. What the queue decides itself, it returns as rows, in order.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterable
from typing import Literal, get_args

from pipeline.engine.decision_rows import DecisionRow, decision_row
from pipeline.engine.draws import Draw
from pipeline.engine.trial import Trial, TrialState
from pipeline.schedulers import Decision, Scheduler, Selection
from pipeline.searchers import Suggestion
from pipeline.study import TuneJob, layout
from pipeline.study.trial_configs import seed_of_trial, trials_in_all
from pipeline.trial_ids import draw_order


class TrialQueue:
    """Returns new and paused trials, as the scheduler chooses."""

    def __init__(
        self,
        job: TuneJob,
        scheduler: Scheduler,
        trials: dict[str, Trial],
        *,
        draw: Draw,
        enqueued: deque[Suggestion],
    ) -> None:
        self._job, self._scheduler, self._trials = job, scheduler, trials
        self._draw, self._enqueued = draw, enqueued
        self.limit = trials_in_all(job)
        """The largest number of trials in the study."""
        self._live: dict[str, Trial] = {}
        self.counts = _counts()
        """How many trials are in each state; a display reads it while trials change, so no state is ever added."""
        # Updated with each change: a scan of all trials at each call is slow in a study with thousands of paused ones.
        self._waiting: dict[str, None] = {}
        # Trials that have run or ended since the last draw: for draws, the others are as they were.
        self._changed: set[str] = set()
        self._from_users = 0

    def take(self) -> tuple[Trial | None, list[DecisionRow]]:
        """Start the trial that runs next."""
        chosen = self._scheduler.choose(self._waiting.keys()) if self._waiting else None
        if chosen is not None:
            del self._waiting[chosen.trial_id]
        rows = self._stop_chosen(self._waiting.keys())
        trial = self._draw_trial() if chosen is None else self._trials[chosen.trial_id]
        if trial is None:
            return None, rows
        rows.append(_row_of_start(trial, chosen))
        self._move(trial, "running")
        trial.started = True
        self._scheduler.start(trial.trial_id)
        return trial, rows

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
        self.counts = _counts(self._trials.values())
        self._from_users = sum(trial.enqueued for trial in self._trials.values())
        self._live = {trial_id: trial for trial_id, trial in self._trials.items() if trial.live}
        self._waiting = {trial_id: None for trial_id, trial in self._live.items() if trial.state != "running"}

    def adopt(self, job: TuneJob) -> None:
        """Continue with another budget."""
        self._job, self.limit = job, trials_in_all(job)

    def pause(self, trial: Trial) -> None:
        """Pause a trial until it is chosen again."""
        self._move(trial, "paused")
        self._waiting[trial.trial_id] = None

    def exhaust(self) -> list[DecisionRow]:
        """End the trials that are left when all are drawn, none runs and none was chosen."""
        return self._stop_chosen(self._in_order(), exhausted=True)

    def cut_off(self, limit: str) -> list[DecisionRow]:
        """End all waiting and paused trials, because the study is over."""
        rows = []
        for trial_id in self._in_order():
            trial = self._trials[trial_id]
            trial.cut_off = True
            rows.append(decision_row(trial, "stop", Decision("stop", limit)))
            self.end(trial, "stopped")
        return rows

    def end(self, trial: Trial, state: Literal["stopped", "completed", "failed"]) -> None:
        """End a trial."""
        self._move(trial, state)
        self._live.pop(trial.trial_id, None)
        self._waiting.pop(trial.trial_id, None)
        self._scheduler.end(trial.trial_id, completed=state == "completed")

    def _in_order(self) -> list[str]:
        """Waiting and paused trials, in the order of their draw."""
        return sorted(self._waiting, key=draw_order)

    def _stop_chosen(self, candidates: Collection[str], *, exhausted: bool = False) -> list[DecisionRow]:
        rows = []
        stopped = self._scheduler.trials_to_stop(candidates, exhausted=exhausted)
        for trial_id in stopped if exhausted else sorted(stopped, key=draw_order):
            decision = stopped[trial_id]
            trial = self._trials[trial_id]
            # With a larger budget it may continue.
            trial.cut_off = exhausted
            rows.append(decision_row(trial, "stop", decision))
            self.end(trial, "stopped")
        return rows

    def _draw_trial(self) -> Trial | None:
        index = len(self._trials)
        if index >= self.limit:
            return None
        enqueued = bool(self._enqueued)
        # Enqueued configs do not count as draws of the searcher: a grid loses no point.
        drawn = self._enqueued.popleft() if enqueued else self._suggested(index - self._from_users)
        if drawn is None:
            return None
        self._from_users += enqueued
        seed = seed_of_trial(self._job, index)
        trial = Trial(layout.trial_id(index), drawn.config, seed, reason=drawn.reason, enqueued=enqueued)
        self._trials[trial.trial_id] = self._live[trial.trial_id] = trial
        self.counts[trial.state] += 1
        self._scheduler.add(trial.trial_id, drawn.config)
        return trial

    def _suggested(self, index: int) -> Suggestion | None:
        changed, trials = self._changed, self._trials
        self._changed = {trial_id for trial_id in changed if trials[trial_id].state == "running"}
        return self._draw(index, trials.values(), changed)

    def _move(self, trial: Trial, state: TrialState) -> None:
        self._changed.add(trial.trial_id)
        self.counts[trial.state] -= 1
        trial.state = state
        self.counts[state] += 1


def _counts(trials: Iterable[Trial] = ()) -> Counter[TrialState]:
    """How many of some trials are in each state, 0 included."""
    counts: Counter[TrialState] = Counter(dict.fromkeys(get_args(TrialState), 0))
    counts.update(trial.state for trial in trials)
    return counts


def _row_of_start(trial: Trial, chosen: Selection | None) -> DecisionRow:
    """The decision that a trial runs: a new one is started, a paused one is promoted or resumed."""
    if chosen is None or not (chosen.promoted or trial.started):
        return DecisionRow(trial.trial_id, 0, "start", trial.reason, config_after=trial.config)
    if not chosen.promoted:
        reason = f"Continues after epoch {trial.epoch}: {chosen.reason}."
        return DecisionRow(trial.trial_id, trial.epoch, "resume", reason)
    return DecisionRow(
        trial.trial_id,
        trial.epoch,
        "promote",
        chosen.reason,
        rung=chosen.rung,
        cutoff=chosen.cutoff,
        value=trial.value,
    )
