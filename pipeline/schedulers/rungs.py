"""Rungs: epochs that grow by a factor, at which trials are compared, and of which one in so many goes on."""

import math
from bisect import insort
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Annotated, Any

from pydantic import Field

from pipeline.errors import Fault
from pipeline.schedulers.base import Mode, SchedulerSettings
from pipeline.space.values import Count, Real

__all__ = ["Rung", "RungSettings", "rungs"]


@dataclass(frozen=True)
class RungSettings(SchedulerSettings):
    """Settings of a scheduler with rungs.

    Args:
        grace_period: Epochs that every trial gets; the first rung. At least 1.
        reduction_factor: From rung to rung the epochs grow by this factor, and about one trial in so many goes on.
            At least 1.01.
    """

    grace_period: Count = 1
    reduction_factor: Annotated[Real, Field(ge=1.01)] = 2.0

    def faults(self, *, epochs: int, trials: int) -> list[Fault]:
        """A first rung beyond a trial's maximum would never be reached."""
        if self.grace_period <= epochs:
            return []
        allowed = f"must be at most budget.epochs, which is {epochs}"
        return [Fault("scheduler.grace_period", self.grace_period, allowed)]

    def next_milestone(self, epoch: int, epochs: int) -> int:
        """The next rung, or the end."""
        return next((rung for rung in rungs(self.grace_period, self.reduction_factor, epochs) if rung > epoch), epochs)


@lru_cache
def rungs(grace_period: int, reduction_factor: float, epochs: int) -> tuple[int, ...]:
    """Epochs at which trials are compared: the milestones below `epochs`, rounded up where they are fractions."""
    found: list[int] = []
    milestone, power = float(grace_period), 0
    while math.ceil(milestone) < epochs:
        if not found or math.ceil(milestone) > found[-1]:
            found.append(math.ceil(milestone))
        power += 1
        milestone = grace_period * reduction_factor**power
    return tuple(found)


@dataclass(slots=True)
class Rung:
    """What was reported at one epoch, and who goes on from there.

    Args:
        epoch: The epoch.
        mode: Whether larger or smaller values are better.
        values: The objective of each trial that came so far, in the order of their coming.
        promoted: Those that go on, as keys, in the order in which that was decided.
    """

    epoch: int
    mode: Mode
    values: dict[str, float] = field(default_factory=dict)
    promoted: dict[str, None] = field(default_factory=dict)
    _ranking: list[str] = field(default_factory=list)

    @property
    def ranking(self) -> list[str]:
        """Its trials, the best first; of equal ones the earlier."""
        # Those that came since are put in one by one: sorting anew for each would take a large study minutes.
        for trial_id in islice(self.values, len(self._ranking), None):
            insort(self._ranking, trial_id, key=self._loss)
        return self._ranking

    def _loss(self, trial_id: str) -> float:
        return -self.values[trial_id] if self.mode == "max" else self.values[trial_id]

    def place(self, trial_id: str) -> str:
        """A trial's value and place, in words."""
        place, value = self.ranking.index(trial_id) + 1, self.values[trial_id]
        return f"{value:.6g} is number {place} of {len(self.values)} at rung {self.epoch}"

    def state(self) -> dict[str, Any]:
        """Its state as JSON values."""
        return {"values": dict(self.values), "promoted": list(self.promoted)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state that `state` returned."""
        self.values, self.promoted, self._ranking = dict(state["values"]), dict.fromkeys(state["promoted"]), []
