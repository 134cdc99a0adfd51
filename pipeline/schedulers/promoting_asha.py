"""Asynchronous successive halving that pauses and promotes: a paused trial may still continue."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, Literal

from pipeline.schedulers.base import Decision, ObjectiveValues, Scheduler, SchedulerContext, Selection
from pipeline.schedulers.multi_objective_rung import MultiObjectiveRung
from pipeline.schedulers.rungs import MeasuredRungSettings, Rung
from pipeline.space import Config
from pipeline.trial_ids import draw_order


@dataclass(frozen=True)
class PromotingASHA(MeasuredRungSettings):
    """Asynchronous successive halving as first published (Li et al. 2020, algorithm 2): it pauses and promotes.

    A trial is paused at each rung. A free worker takes the best trial of the highest rung that is among the best
    1/reduction_factor there and has not continued yet, or else a new one. A trial that improves late is not lost: it
    continues from its checkpoint once it is among the best. In addition to the paper, because a study has a limited
    number of trials: if no trial would reach its end, the best of the highest rung continues to it.

    Args:
        grace_period: Epochs of the first rung, which every trial gets; at least 1. By default 6% of the maximum.
        reduction_factor: Each rung has this many times the epochs of the rung before, and about one in this many trials
            continues there; at least 1.01. By default 3.5.
    """

    title: ClassVar[str] = "ASHA that pauses and promotes"
    pauses: ClassVar[bool] = True
    kind: Literal["promoting-asha"] = field(default="promoting-asha", repr=False)

    def build(self, context: SchedulerContext) -> Scheduler:
        """The state machine for a study."""
        return Promoting((*self.rungs(context.epochs), context.epochs), self.factor, context)


class Promoting(Scheduler):
    """Promotes trials from rung to rung."""

    def __init__(
        self,
        at: Sequence[int],
        factor: float,
        context: SchedulerContext,
        multi_objective: Sequence[MultiObjectiveRung] = (),
    ) -> None:
        self._mode = context.mode
        own: Sequence[Rung | MultiObjectiveRung] = multi_objective or [Rung(epoch, context.mode) for epoch in at]
        self._rungs = {rung.epoch: rung for rung in own}
        self._end = at[-1]
        self._factor, self._trials = factor, context.trials
        self._added = 0
        self._running: set[str] = set()
        self._held: set[str] = set()
        # Trials that ended by themselves before their last epoch, as a callback can end them.
        self._ended_early: set[str] = set()
        # Trials that neither run nor are held by a rung; computed again after a restore.
        self._free: set[str] = set()
        self._free_is_known = True

    def add(self, trial_id: str, config: Config) -> None:
        """Count a trial: as long as trials can be drawn, none is promoted to the end as the last one."""
        self._added += 1
        self._free.add(trial_id)

    def start(self, trial_id: str) -> None:
        """A trial runs from now on."""
        self._running.add(trial_id)
        self._free.discard(trial_id)
        self._ended_early.discard(trial_id)

    def on_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Pause at a rung; continue between two."""
        return self._reported(trial_id, epoch, value, ObjectiveValues((-value if self._mode == "max" else value,)))

    def end(self, trial_id: str, *, completed: bool = False) -> None:
        """A trial has stopped running."""
        self._running.discard(trial_id)
        self._free.discard(trial_id)
        if completed and trial_id not in self._rungs[self._end].values:
            self._ended_early.add(trial_id)

    def limit_trials(self, trials: int) -> None:
        """As long as more trials can be drawn, none is promoted to the end as the last one."""
        self._trials = trials

    def choose(self, candidates: Collection[str]) -> Selection | None:
        """A trial that no rung holds, else the best of the highest rung that is good enough, else a new one."""
        if free := self._free_candidates(candidates):
            return Selection(min(free, key=draw_order), "the earliest of those that no rung has paused")
        for below, above in reversed(list(pairwise(self._open()))):
            cut = self._promotable_count(below)
            for trial_id in below.held(cut):
                if trial_id in candidates:
                    which = f"among the best 1/{self._factor:g}, and continues to {above.epoch}"
                    reason = f"{below.place(trial_id)}: {which}"
                    return self._promoted(trial_id, below, reason, below.value_at(cut - 1))
        return self._promote_one_to_end(candidates)

    def trials_to_stop(self, candidates: Collection[str], *, exhausted: bool) -> dict[str, Decision]:
        """No trial, until no other trial can change which ones are among the best."""
        return {trial_id: self._final_stop_decision(trial_id) for trial_id in candidates} if exhausted else {}

    def state(self) -> dict[str, Any]:
        """The rungs, the running trials and those that ended early, and the number of trials."""
        return {
            "added": self._added,
            "running": sorted(self._running),
            "ended_early": sorted(self._ended_early),
            "rungs": {str(epoch): rung.state() for epoch, rung in self._rungs.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore a state; new rungs start empty."""
        self._added, self._running = state["added"], set(state["running"])
        # Studies of earlier versions did not keep them.
        self._ended_early = set(state.get("ended_early", ()))
        for epoch, rung in self._rungs.items():
            if str(epoch) in state["rungs"]:
                rung.restore(state["rungs"][str(epoch)])
        reported = {trial_id for rung in self._rungs.values() for trial_id in rung.values}
        self._held = {trial_id for trial_id in reported if self._holds(trial_id)}
        self._free, self._free_is_known = set(), False

    def _reported(self, trial_id: str, epoch: int, value: float, values: ObjectiveValues) -> Decision:
        rung = self._rungs.get(epoch)
        if rung is None:
            return Decision("continue", f"{value:.6g} at epoch {epoch}, where nothing is compared")
        if trial_id in rung.values:
            return Decision("continue", f"rung {epoch} was decided before: {rung.place(trial_id)}", epoch)
        if isinstance(rung, Rung):
            rung.values[trial_id] = value
        else:
            rung.values[trial_id] = values
        if epoch == self._end:
            self._held.discard(trial_id)
            return Decision("continue", f"{rung.place(trial_id)}, the last")
        self._running.discard(trial_id)
        self._free.discard(trial_id)
        self._held.add(trial_id)
        return Decision("pause", f"{rung.place(trial_id)}; waits to be among the best 1/{self._factor:g}", rung=epoch)

    def _free_candidates(self, candidates: Collection[str]) -> set[str]:
        """The candidates that no rung holds, found without a scan of all candidates."""
        back = {trial_id for trial_id in self._running if trial_id in candidates}
        self._running -= back
        if not self._free_is_known or len(self._free) + len(back) + len(self._held) < len(candidates):
            self._free, self._free_is_known = set(candidates) - self._held, True
        self._free |= back - self._held
        return {trial_id for trial_id in self._free if trial_id in candidates}

    def _open(self) -> Sequence[Rung | MultiObjectiveRung]:
        """The rungs that trials may be promoted to, and the first, from below."""
        return list(self._rungs.values())

    def _promotable_count(self, rung: Rung | MultiObjectiveRung) -> int:
        """The number of a rung's trials that continue."""
        return math.floor(len(rung.values) / self._factor)

    def _holds(self, trial_id: str) -> bool:
        """Whether a rung holds a trial that may still be promoted from there."""
        rung = self._newest(trial_id)
        return rung is not None and rung.epoch != self._end and trial_id not in rung.promoted

    def _newest(self, trial_id: str) -> Rung | MultiObjectiveRung | None:
        """The highest rung at which a trial reported."""
        return next((rung for rung in reversed(self._rungs.values()) if trial_id in rung.values), None)

    def _promoted(self, trial_id: str, rung: Rung | MultiObjectiveRung, reason: str, cutoff: float | None) -> Selection:
        rung.promote(trial_id)
        self._held.discard(trial_id)
        self._free.add(trial_id)
        return Selection(trial_id, reason, promoted=True, rung=rung.epoch, cutoff=cutoff)

    def _promote_one_to_end(self, waiting: Collection[str]) -> Selection | None:
        """The best of the highest rung, if no trial would otherwise reach its end."""
        if self._running or self._added < self._trials or self._rungs[self._end].values:
            return None
        for rung in reversed(self._rungs.values()):
            for trial_id in rung.ranking:
                if trial_id in waiting and trial_id not in rung.promoted:
                    reason = f"{rung.place(trial_id)}, the highest reached: one trial trains to its end"
                    return self._promoted(trial_id, rung, reason, rung.value_at(rung.rank(trial_id)))
                if trial_id in self._ended_early:
                    return None
        return None

    def _final_stop_decision(self, trial_id: str) -> Decision:
        rung = self._newest(trial_id)
        if rung is None:
            return Decision("stop", "it has reached no rung, and was not chosen")
        cut = self._promotable_count(rung)
        cutoff = rung.value_at(cut - 1) if cut else None
        missed = f"{cut} continue" if cut > 1 else "one continues" if cut else "too few for any to continue"
        reason = f"{rung.place(trial_id)}, of which {missed}; no other trial is left to train"
        return Decision("stop", reason, rung=rung.epoch, cutoff=cutoff)
