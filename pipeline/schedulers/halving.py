"""Successive halving in brackets of equal size."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.errors import Fault
from pipeline.schedulers.base import Scheduler, SchedulerContext, SchedulerSettings, beyond_maximum
from pipeline.schedulers.hyperband import Brackets
from pipeline.schedulers.rungs import MEASURED_FACTOR, measured_grace_period, rungs
from pipeline.space.values import Count, Real

__all__ = ["SuccessiveHalving"]


@dataclass(frozen=True)
class SuccessiveHalving(SchedulerSettings):
    """Successive halving (Jamieson and Talwalkar 2016, "Non-stochastic Best Arm Identification"), bracket by bracket.

    Like Hyperband, but all brackets have the same size and the same rungs. At a rung, trials are paused until all
    trials of their bracket have reached it; the best 1/reduction_factor continue, at least one. A worker that would
    have to wait starts the next bracket.

    Args:
        bracket_size: Number of trials that are compared with each other.
        grace_period: Epochs of the first rung, which every trial gets; at least 1. By default 6 % of the maximum.
        reduction_factor: Each rung has this many times the epochs of the one before, and about one trial in this many
            continues; at least 1.01.
    """

    pauses: ClassVar[bool] = True
    bracket_size: Count = 12
    grace_period: Count | None = None
    reduction_factor: Annotated[Real, Field(ge=1.01)] = MEASURED_FACTOR
    kind: Literal["halving"] = field(default="halving", repr=False)

    def faults(self, *, epochs: int, trials: int) -> list[Fault]:
        """A first rung beyond a trial's maximum would never be reached."""
        return [] if self.grace_period is None else beyond_maximum("grace_period", self.grace_period, epochs)

    def next_milestone(self, epoch: int, epochs: int) -> int:
        """The next rung, or the end."""
        return next((rung for rung in self._rungs(epochs) if rung > epoch), epochs)

    def build(self, context: SchedulerContext) -> Scheduler:
        """The state machine for a study."""
        at = (*self._rungs(context.epochs), context.epochs)
        return Brackets(at, self.reduction_factor, context, self.bracket_size)

    def _rungs(self, epochs: int) -> tuple[int, ...]:
        return rungs(self.grace_period or measured_grace_period(epochs), self.reduction_factor, epochs)
