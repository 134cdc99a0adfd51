"""Successive halving in brackets of equal size."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pipeline.schedulers.base import Scheduler, SchedulerContext
from pipeline.schedulers.hyperband import Brackets
from pipeline.schedulers.rungs import MeasuredRungSettings
from pipeline.space import Count


@dataclass(frozen=True)
class SuccessiveHalving(MeasuredRungSettings):
    """Successive halving (Jamieson and Talwalkar 2016, "Non-stochastic Best Arm Identification"), bracket by bracket.

    Like Hyperband, but all brackets have the same size and the same rungs. At a rung, trials are paused until all
    trials of their bracket have reached it; the best 1/reduction_factor continue, at least one. A worker that would
    have to wait starts the next bracket.

    Args:
        grace_period: Epochs of the first rung, which every trial gets; at least 1. By default 6% of the maximum.
        reduction_factor: Each rung has this many times the epochs of the rung before, and about one in this many trials
            continues there; at least 1.01. By default 3.5.
        bracket_size: Number of trials that are compared with each other.
    """

    title: ClassVar[str] = "successive halving"
    pauses: ClassVar[bool] = True
    bracket_size: Count = 12
    kind: Literal["halving"] = field(default="halving", repr=False)

    def build(self, context: SchedulerContext) -> Scheduler:
        """The state machine for a study."""
        return Brackets((*self.rungs(context.epochs), context.epochs), self.factor, context, self.bracket_size)
