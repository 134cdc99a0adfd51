"""Rungs: epochs that grow by a factor, at which trials are compared and a fixed share of them continues.

ASHA stops trials at rungs; PromotingASHA pauses them and promotes the best.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count, pairwise, takewhile
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from pipeline.schedulers.base import (
    Decision,
    Mode,
    ObjectiveValues,
    Scheduler,
    SchedulerContext,
    SchedulerSettings,
)
from pipeline.space import Config, Count, Real
from pipeline.text import draw_order

_MEASURED_FACTOR, _MEASURED_SHARE = 3.5, 0.06
"""The growth from rung to rung, and the first rung as a share of a trial's epochs: the best ones in simulations over
the recorded learning curves of `make bench-answers`."""

Factor = Annotated[Real, Field(ge=1.01)]


@lru_cache
def rungs(grace_period: int, reduction_factor: float, epochs: int) -> tuple[int, ...]:
    """Epochs at which trials are compared: the milestones below a trial's maximum, rounded up."""
    milestones = (math.ceil(grace_period * reduction_factor**power - 1e-9) for power in count())
    return tuple(dict.fromkeys(takewhile(lambda epoch: epoch < epochs, milestones)))


@dataclass(frozen=True)
class RungSettings(SchedulerSettings):
    """Settings of a scheduler that compares trials at rungs.

    Args:
        grace_period: Epochs of the first rung, which every trial gets; at least 1. By default 6% of the maximum.
        reduction_factor: Each rung has this many times the epochs of the rung before, and about one in this many trials
            continues there; at least 1.01. By default 3.5.
    """

    grace_period: Count | None = None
    reduction_factor: Factor | None = None

    def defaults(self, epochs: int) -> dict[str, Any]:
        return {"grace_period": max(1, round(_MEASURED_SHARE * epochs)), "reduction_factor": _MEASURED_FACTOR}

    @property
    def factor(self) -> float:
        return self.reduction_factor or _MEASURED_FACTOR

    def rungs(self, epochs: int) -> tuple[int, ...]:
        """The rungs, of which the last one is a trial's maximum."""
        grace_period = self.grace_period or self.defaults(epochs)["grace_period"]
        return (*rungs(grace_period, self.factor, epochs), epochs)

    def next_milestone(self, epoch: int, epochs: int) -> int:
        return next((rung for rung in self.rungs(epochs) if rung > epoch), epochs)


@dataclass(frozen=True)
class GivenRungSettings(RungSettings):
    """Settings of a scheduler with rungs from the first epoch on.

    Args:
        grace_period: Epochs of the first rung, which every trial gets; at least 1.
        reduction_factor: Each rung has this many times the epochs of the rung before, and about one in this many trials
            continues there; at least 1.01.
    """

    grace_period: Count = 1
    reduction_factor: Factor = 2.0


class Rung:
    """The values that were reported at one epoch, and the trials that continue from there.

    Trials are compared by their value; of equal ones the earlier is first.
    """

    def __init__(self, epoch: int, mode: Mode, factor: float) -> None:
        self.epoch, self.mode, self.factor = epoch, mode, factor
        self.values: dict[str, Any] = {}
        self.promoted: set[str] = set()
        # Kept in order, those that do not continue apart: sorting for each query would take minutes. A key is a loss,
        # the number of trials that came before, and the trial.
        self._keys: dict[str, tuple[float, int, str]] = {}
        self._ranked: list[tuple[float, int, str]] = []
        self._open: list[tuple[float, int, str]] = []

    @property
    def ranking(self) -> list[str]:
        return [trial_id for *_, trial_id in self._ranked]

    def report(self, trial_id: str, value: float, values: ObjectiveValues | None) -> None:
        self.values[trial_id] = value
        key = self._keys[trial_id] = (-value if self.mode == "max" else value, len(self._keys), trial_id)
        insort(self._ranked, key)
        if trial_id not in self.promoted:
            insort(self._open, key)

    def promote(self, trial_id: str) -> None:
        if trial_id not in self.promoted:
            self.promoted.add(trial_id)
            if trial_id in self._keys:
                del self._open[bisect_left(self._open, self._keys[trial_id])]

    def rank(self, trial_id: str) -> int:
        return bisect_left(self._ranked, self._keys[trial_id])

    def value_at(self, rank: int) -> float | None:
        """The value of the trial at a rank; None where no single value decides."""
        value: float = self.values[self._ranked[rank][-1]]
        return value

    def held(self, most: int) -> Iterator[str]:
        """Those of the first trials that do not continue yet, the first one first."""
        return (key[-1] for key in takewhile(lambda key: bisect_left(self._ranked, key) < most, self._open))

    def compared(self, trial_id: str, value: float, values: ObjectiveValues | None) -> Decision:
        """Add a trial, and decide whether it continues: if it reaches the best 1/factor quantile of those before."""
        count, cutoff = len(self.values), self._quantile()
        self.report(trial_id, value, values)
        if cutoff is None:
            return Decision("continue", f"{value:.6g} is the first value at rung {self.epoch}", rung=self.epoch)
        earlier = "one earlier value" if count == 1 else f"{count} earlier values"
        border = f"{cutoff:.6g}, the cutoff for the best 1/{self.factor:g} of {earlier} at rung {self.epoch}"
        if value < cutoff if self.mode == "max" else value > cutoff:
            misses = "is below" if self.mode == "max" else "is above"
            return Decision("stop", f"{value:.6g} {misses} {border}", rung=self.epoch, cutoff=cutoff)
        return Decision("continue", f"{value:.6g} reaches {border}", rung=self.epoch, cutoff=cutoff)

    def _quantile(self) -> float | None:
        """The best 1/factor quantile of the values, interpolated as NumPy does it; None without values."""
        if not self._ranked:
            return None
        last = len(self._ranked) - 1
        place = last * ((1 - 1 / self.factor) * 100 / 100)
        lower, share = math.floor(place), place - math.floor(place)
        # From the worst on.
        below, above = -self._ranked[last - lower][0], -self._ranked[last - min(lower + 1, last)][0]
        cutoff = above - (above - below) * (1 - share) if share >= 0.5 else below + (above - below) * share
        return cutoff if self.mode == "max" else -cutoff

    def place(self, trial_id: str) -> str:
        place, value = self.rank(trial_id) + 1, self.values[trial_id]
        return f"{value:.6g} is number {place} of {len(self.values)} at rung {self.epoch}"

    def state(self) -> dict[str, Any]:
        return {"values": dict(self.values), "promoted": sorted(self.promoted)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.promoted = set(state["promoted"])
        for trial_id, value in state["values"].items():
            self.report(trial_id, value, None)


class Rungs(dict[int, Rung]):
    """Rungs by their epochs, the lowest first."""

    def __init__(self, rungs: Iterable[Rung]) -> None:
        super().__init__((rung.epoch, rung) for rung in rungs)
        self.end = max(self, default=0)

    def decided(self, trial_id: str, epoch: int, value: float) -> Decision | None:
        """That a trial continues where nothing is decided, or was before; None where it is to be decided."""
        if (rung := self.get(epoch)) is None:
            return Decision("continue", f"{value:.6g} at epoch {epoch}, where nothing is compared")
        if trial_id not in rung.values:
            return None
        return Decision("continue", f"rung {epoch} was decided before: {rung.place(trial_id)}", rung=epoch)

    def newest(self, trial_id: str) -> Rung | None:
        return next((rung for rung in reversed(self.values()) if trial_id in rung.values), None)

    def hold(self, trial_id: str) -> bool:
        """Whether a rung below the highest epoch has a trial that does not continue yet."""
        rung = self.newest(trial_id)
        return rung is not None and rung.epoch != self.end and trial_id not in rung.promoted

    def state(self) -> dict[str, Any]:
        return {str(epoch): rung.state() for epoch, rung in self.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `state` in new rungs; those that it does not have start empty."""
        for epoch, rung in self.items():
            if str(epoch) in state:
                rung.restore(state[str(epoch)])


@dataclass(frozen=True)
class ASHA(GivenRungSettings):
    """Asynchronous successive halving (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning").

    The variant that stops and never promotes, with one bracket, like Ray's AsyncHyperBandScheduler: at each rung a
    trial continues if its value is at least the cutoff, the best 1/reduction_factor quantile of the values that were
    reported at that rung before. The first trial at a rung continues.
    """

    title: ClassVar[str] = "ASHA"
    kind: Literal["asha"] = field(default="asha", repr=False)

    def build(self, context: SchedulerContext) -> Scheduler:
        return Stopping(Rung(epoch, context.mode, self.factor) for epoch in self.rungs(context.epochs)[:-1])


class Stopping(Scheduler):
    def __init__(self, own: Iterable[Rung]) -> None:
        self._rungs = Rungs(own)

    def on_result(self, trial_id: str, epoch: int, value: float, values: ObjectiveValues | None = None) -> Decision:
        return self._rungs.decided(trial_id, epoch, value) or self._rungs[epoch].compared(trial_id, value, values)

    def state(self) -> dict[str, Any]:
        return {"rungs": self._rungs.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._rungs.restore(state["rungs"])


@dataclass(frozen=True)
class PromotingASHA(RungSettings):
    """Asynchronous successive halving as first published (Li et al. 2020, algorithm 2): it pauses and promotes.

    A trial is paused at each rung. A free worker takes the best trial of the highest rung that is among the best
    1/reduction_factor there and has not continued yet, or else a new one. A trial that improves late is not lost: it
    continues from its checkpoint once it is among the best. In addition to the paper, because a study has a limited
    number of trials: if no trial would reach its end, the best of the highest rung continues to it.
    """

    title: ClassVar[str] = "ASHA that pauses and promotes"
    pauses: ClassVar[bool] = True
    kind: Literal["promoting-asha"] = field(default="promoting-asha", repr=False)

    def build(self, context: SchedulerContext) -> Scheduler:
        return Promoting([Rung(epoch, context.mode, self.factor) for epoch in self.rungs(context.epochs)], context)


class Promoting(Scheduler):
    def __init__(self, own: Sequence[Rung], context: SchedulerContext) -> None:
        self._rungs, self._factor, self.trials = Rungs(own), own[0].factor, context.trials
        self._added = 0
        self._running: set[str] = set()
        self._held: set[str] = set()
        # Trials that ended by themselves before their last epoch, as a callback can end them.
        self._ended_early: set[str] = set()

    def add(self, trial_id: str, config: Config) -> None:
        self._added += 1

    def start(self, trial_id: str) -> None:
        self._running.add(trial_id)
        self._ended_early.discard(trial_id)

    def on_result(self, trial_id: str, epoch: int, value: float, values: ObjectiveValues | None = None) -> Decision:
        if (before := self._rungs.decided(trial_id, epoch, value)) is not None:
            return before
        rung = self._rungs[epoch]
        rung.report(trial_id, value, values)
        if epoch == self._rungs.end:
            self._held.discard(trial_id)
            return Decision("continue", f"{rung.place(trial_id)}, the last")
        self._held.add(trial_id)
        return Decision("pause", f"{rung.place(trial_id)}; waits to be among the best 1/{self._factor:g}", rung=epoch)

    def end(self, trial_id: str, *, completed: bool = False) -> None:
        self._running.discard(trial_id)
        if completed and trial_id not in self._rungs[self._rungs.end].values:
            self._ended_early.add(trial_id)

    def choose(self, candidates: Collection[str]) -> Decision | None:
        """A trial that no rung holds, else the best of the highest rung that is good enough, else a new one."""
        self._running = {trial_id for trial_id in self._running if trial_id not in candidates}
        if not self._held.issuperset(candidates):
            first = min(set(candidates) - self._held, key=draw_order)
            return Decision("resume", "the earliest of those that no rung has paused", trial_id=first)
        for below, above in reversed(list(pairwise(self._rungs.values()))):
            cut = math.floor(len(below.values) / self._factor)
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
        return {
            "added": self._added,
            "running": sorted(self._running),
            "ended_early": sorted(self._ended_early),
            "rungs": self._rungs.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._added, self._running = state["added"], set(state["running"])
        self._ended_early = set(state["ended_early"])
        self._rungs.restore(state["rungs"])
        reported = {trial_id for rung in self._rungs.values() for trial_id in rung.values}
        self._held = {trial_id for trial_id in reported if self._rungs.hold(trial_id)}

    def _promoted(self, trial_id: str, rung: Rung, reason: str, cutoff: float | None) -> Decision:
        rung.promote(trial_id)
        self._held.discard(trial_id)
        return Decision("promote", reason, rung=rung.epoch, cutoff=cutoff, trial_id=trial_id)

    def _promote_one_to_end(self, waiting: Collection[str]) -> Decision | None:
        """The best of the highest rung, if no trial would otherwise reach its end."""
        if self._running or self._added < self.trials or self._rungs[self._rungs.end].values:
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
        rung = self._rungs.newest(trial_id)
        if rung is None:
            return Decision("stop", "it has reached no rung, and was not chosen")
        cut = math.floor(len(rung.values) / self._factor)
        reason = f"{rung.place(trial_id)}, of which the first {cut} continue; no other trial is left to train"
        return Decision("stop", reason, rung=rung.epoch, cutoff=rung.value_at(cut - 1) if cut else None)
