"""Whose turn it is: which trial a free worker starts or goes on with, and which ones have had their last.

Every trial ends here, in exactly one state and with a decision that says why.
"""

from collections.abc import Callable, Collection
from typing import Literal

from pipeline.course.decided import DecisionRow, decision_row
from pipeline.course.draws import Draw
from pipeline.course.trial import Trial
from pipeline.schedulers import Chosen, Decision, Scheduler
from pipeline.schedulers.base import earliest
from pipeline.study import TuneJob, layout
from pipeline.study.drawing import seed_of_trial

__all__ = ["Turns"]


class Turns:
    """Hands trials out, new and paused ones, as the scheduler chooses.

    Args:
        job: The study's job.
        scheduler: Who chooses.
        decided: Is told every decision.
        trials: All trials by id, in the order of their draw; new ones are added.
        limit: How many trials the study has at most.
        draw: Gives the config of a new one, by its number and the trials before; None where there is none now.
    """

    def __init__(
        self,
        job: TuneJob,
        scheduler: Scheduler,
        decided: Callable[[DecisionRow], None],
        trials: dict[str, Trial],
        *,
        limit: int,
        draw: Draw,
    ) -> None:
        self._job, self._scheduler, self._decided = job, scheduler, decided
        self._trials, self._limit, self._draw = trials, limit, draw
        self._live: dict[str, Trial] = {}
        # Kept as it changes: a study of thousands of paused trials would go through them all at each turn.
        self._waiting: dict[str, None] = {}

    def take(self) -> Trial | None:
        """The trial that runs next, started; None where there is none now."""
        chosen = self._scheduler.choose(self._waiting.keys()) if self._waiting else None
        if chosen is not None:
            del self._waiting[chosen.trial_id]
        self._dismiss(self._waiting.keys())
        if chosen is not None:
            return self._go_on(self._trials[chosen.trial_id], chosen)
        return self._drawn()

    @property
    def running(self) -> bool:
        """Whether any trial is in a worker's hands."""
        return len(self._waiting) < len(self._live)

    def restored(self) -> None:
        """Trials were put there, or some that had ended may go on."""
        self._live = {trial_id: trial for trial_id, trial in self._trials.items() if trial.live}
        self._waiting = {trial_id: None for trial_id, trial in self._live.items() if trial.state != "running"}

    def pause(self, trial: Trial) -> None:
        """A trial runs no more, until it is chosen again."""
        trial.state = "paused"
        self._waiting[trial.trial_id] = None

    def exhaust(self) -> None:
        """All trials are drawn, none runs, and none was chosen: end those that are left, each with its reason."""
        self._dismiss(self._in_order(), exhausted=True)

    def cut_off(self, why: str) -> None:
        """The study is over: what waits or is paused will not go on.

        Args:
            why: Which limit was reached.
        """
        for trial_id in self._in_order():
            trial = self._trials[trial_id]
            trial.cut_off = True
            self.end(trial, "stopped", decision_row(trial, "stop", Decision("stop", why)))

    def end(self, trial: Trial, state: Literal["stopped", "completed", "failed"], row: DecisionRow) -> None:
        """End a trial.

        Args:
            trial: The trial.
            state: As what it ends.
            row: Why.
        """
        self._decided(row)
        trial.state = state
        self._live.pop(trial.trial_id, None)
        self._waiting.pop(trial.trial_id, None)
        self._scheduler.end(trial.trial_id)

    def _in_order(self) -> list[str]:
        """Those that wait or are paused, in the order of their draw."""
        return sorted(self._waiting, key=earliest)

    def _dismiss(self, candidates: Collection[str], *, exhausted: bool = False) -> None:
        gone = self._scheduler.dismissed(candidates, exhausted=exhausted)
        for trial_id in gone if exhausted else sorted(gone, key=earliest):
            decision = gone[trial_id]
            trial = self._trials[trial_id]
            # With more trials or epochs there may be something to go on for.
            trial.cut_off = exhausted
            self.end(trial, "stopped", decision_row(trial, "stop", decision))

    def _go_on(self, trial: Trial, chosen: Chosen) -> Trial:
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
            reason = f"Goes on after epoch {trial.epoch}: {chosen.reason}."
            row = DecisionRow(trial.trial_id, trial.epoch, "resume", reason)
        else:
            return self._begin(trial)
        self._decided(row)
        return self._started(trial)

    def _drawn(self) -> Trial | None:
        index = len(self._trials)
        if index >= self._limit:
            return None
        job = self._job
        config = self._draw(index, self._trials.values())
        if config is None:
            return None
        trial = Trial(layout.trial_id(index), config, seed_of_trial(job, index))
        self._trials[trial.trial_id] = self._live[trial.trial_id] = trial
        self._scheduler.add(trial.trial_id, config)
        return self._begin(trial)

    def _begin(self, trial: Trial) -> Trial:
        given = int(trial.trial_id) < len(self._job.start_with)
        source = self._job.start_from
        own = "A config the study starts with"
        start = f"{own}, its own or of {source.study!r}." if source is not None else f"{own}."
        origin = start if given else "Drawn by the searcher."
        self._decided(DecisionRow(trial.trial_id, 0, "start", origin, config_after=trial.config))
        return self._started(trial)

    def _started(self, trial: Trial) -> Trial:
        trial.state, trial.started = "running", True
        self._scheduler.start(trial.trial_id)
        return trial
