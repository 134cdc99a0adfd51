"""Asynchronous successive halving that pauses and promotes: whoever is paused may still go on."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, Literal

from pipeline.schedulers.base import Chosen, Decision, Scheduler, Setting, earliest
from pipeline.schedulers.rungs import Rung, RungSettings, rungs
from pipeline.space import Config

__all__ = ["Promoting", "PromotingASHA"]


@dataclass(frozen=True)
class PromotingASHA(RungSettings):
    """Asynchronous successive halving as first published (Li et al. 2020, algorithm 2): it pauses and promotes.

    A trial is paused at each rung. A free worker takes the best trial of the highest rung that is among the best
    1/reduction_factor there and has not gone on yet, or else a new one. A late bloomer is not lost: it goes on once
    it is among the best, from the checkpoint it left. Beyond the paper, since a study has so many trials and no more:
    where none of them would reach its end, the best of the highest rung goes on to it.

    Args:
        grace_period: Epochs that every trial gets; the first rung. At least 1.
        reduction_factor: From rung to rung the epochs grow by this factor, and one trial in so many goes on. At least
            1.01.
    """

    pauses: ClassVar[bool] = True
    kind: Literal["promoting-asha"] = field(default="promoting-asha", repr=False)

    def build(self, setting: Setting) -> Scheduler:
        """The state machine for a study."""
        at = rungs(self.grace_period, self.reduction_factor, setting.epochs)
        return Promoting((*at, setting.epochs), self.reduction_factor, setting)


class Promoting(Scheduler):
    """Promotes from rung to rung.

    Args:
        at: The rungs in epochs, and a trial's end.
        factor: One trial in so many goes on.
        setting: The study.
    """

    def __init__(self, at: Sequence[int], factor: float, setting: Setting) -> None:
        self._rungs = {epoch: Rung(epoch, setting.mode) for epoch in at}
        self._end = at[-1]
        self._factor, self._trials = factor, setting.trials
        self._added = 0
        self._running: set[str] = set()
        self._held: set[str] = set()
        # Those that neither run nor are held by a rung, once somebody has looked since a restore.
        self._free: set[str] = set()
        self._looked = True

    def add(self, trial_id: str, config: Config) -> None:
        """Count a trial: while some are still to be drawn, the last hope is not needed."""
        self._added += 1
        self._free.add(trial_id)

    def start(self, trial_id: str) -> None:
        """A trial runs from now on."""
        self._running.add(trial_id)
        self._free.discard(trial_id)

    def report(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Pause at a rung; go on between two."""
        rung = self._rungs.get(epoch)
        if rung is None:
            return Decision("continue", f"{value:.6g} at epoch {epoch}, where nothing is compared")
        if trial_id in rung.values:
            return Decision("continue", f"rung {epoch} was decided before, with {rung.values[trial_id]:.6g}", epoch)
        rung.values[trial_id] = value
        if epoch == self._end:
            self._held.discard(trial_id)
            return Decision("continue", f"{rung.place(trial_id)}, the last")
        self._running.discard(trial_id)
        self._free.discard(trial_id)
        self._held.add(trial_id)
        return Decision("pause", f"{rung.place(trial_id)}; waits to be among the best 1/{self._factor:g}", rung=epoch)

    def end(self, trial_id: str) -> None:
        """A trial runs no more."""
        self._running.discard(trial_id)
        self._free.discard(trial_id)

    def choose(self, candidates: Collection[str]) -> Chosen | None:
        """Whoever no rung holds, else the best of the highest rung that is good enough, else a new one."""
        if free := self._unheld(candidates):
            return Chosen(min(free, key=earliest), "the earliest of those that no rung holds")
        for below, above in reversed(list(pairwise(self._open()))):
            cut = self._going_on(below)
            for trial_id in below.held(cut):
                if trial_id in candidates:
                    which = f"among the best 1/{self._factor:g}, and goes on to {above.epoch}"
                    reason = f"{below.place(trial_id)}: {which}"
                    return self._promoted(trial_id, below, reason, below.value_at(cut - 1))
        return self._last_hope(candidates)

    def dismissed(self, candidates: Collection[str], *, exhausted: bool) -> dict[str, Decision]:
        """Nobody, until no other trial can change who is among the best."""
        return {trial_id: self._farewell(trial_id) for trial_id in candidates} if exhausted else {}

    def state(self) -> dict[str, Any]:
        """The rungs, who runs, and how many trials there are."""
        return {
            "added": self._added,
            "running": sorted(self._running),
            "rungs": {str(epoch): rung.state() for epoch, rung in self._rungs.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a state; rungs that are new begin empty."""
        self._added, self._running = state["added"], set(state["running"])
        for epoch, rung in self._rungs.items():
            if str(epoch) in state["rungs"]:
                rung.restore(state["rungs"][str(epoch)])
        reported = {trial_id for rung in self._rungs.values() for trial_id in rung.values}
        self._held = {trial_id for trial_id in reported if self._holds(trial_id)}
        self._free, self._looked = set(), False

    def _unheld(self, candidates: Collection[str]) -> set[str]:
        """The candidates that no rung holds; found without going through them all, of which a large study has many."""
        back = {trial_id for trial_id in self._running if trial_id in candidates}
        self._running -= back
        if not self._looked or len(self._free) + len(back) + len(self._held) < len(candidates):
            self._free, self._looked = set(candidates) - self._held, True
        self._free |= back - self._held
        return {trial_id for trial_id in self._free if trial_id in candidates}

    def _open(self) -> list[Rung]:
        """The rungs that trials may be promoted to, and the first, from below."""
        return list(self._rungs.values())

    def _going_on(self, rung: Rung) -> int:
        """How many of a rung's trials go on."""
        return math.floor(len(rung.values) / self._factor)

    def _holds(self, trial_id: str) -> bool:
        """Whether a rung holds a trial that may still be promoted from there."""
        rung = self._newest(trial_id)
        return rung is not None and rung.epoch != self._end and trial_id not in rung.promoted

    def _newest(self, trial_id: str) -> Rung | None:
        """The highest rung at which a trial reported."""
        return next((rung for rung in reversed(self._rungs.values()) if trial_id in rung.values), None)

    def _promoted(self, trial_id: str, rung: Rung, reason: str, cutoff: float) -> Chosen:
        rung.promote(trial_id)
        self._held.discard(trial_id)
        self._free.add(trial_id)
        return Chosen(trial_id, reason, promoted=True, rung=rung.epoch, cutoff=cutoff)

    def _last_hope(self, waiting: Collection[str]) -> Chosen | None:
        """The best of the highest rung, where no trial would otherwise reach its end."""
        if self._running or self._added < self._trials or self._rungs[self._end].values:
            return None
        for rung in reversed(self._rungs.values()):
            for trial_id in rung.ranking:
                if trial_id in waiting and trial_id not in rung.promoted:
                    reason = f"{rung.place(trial_id)}, the highest reached: one trial trains to its end"
                    return self._promoted(trial_id, rung, reason, rung.values[trial_id])
        return None

    def _farewell(self, trial_id: str) -> Decision:
        rung = self._newest(trial_id)
        if rung is None:
            return Decision("stop", "it has reached no rung, and was not chosen")
        cut = self._going_on(rung)
        cutoff = rung.value_at(cut - 1) if cut else None
        missed = f"{cut} go on" if cut > 1 else "one goes on" if cut else "so few that none goes on"
        reason = f"{rung.place(trial_id)}, of which {missed}; no other trial is left to train"
        return Decision("stop", reason, rung=rung.epoch, cutoff=cutoff)
