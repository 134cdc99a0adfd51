"""The base of all schedulers' settings: what a user writes, and what builds the state machine."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import ConfigDict

from pipeline.errors import Fault
from pipeline.schedulers.base import Scheduler, SchedulerContext
from pipeline.space import STRICT_CONFIG


class SchedulerSettings:
    """The settings of a scheduler. Each subclass is a frozen dataclass, with `kind` and its own fields."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT_CONFIG

    kind: str
    """Its name on the command line; the path of a class of Ray Tune."""

    title: ClassVar[str]
    """Its name in a sentence."""

    pauses: ClassVar[bool] = False
    """Whether trials are paused at milestones, so that many are live while few train."""

    exploits: ClassVar[bool] = False
    """Whether trials copy the weights of others, and their configs change while they train."""

    every_objective: ClassVar[bool] = False
    """Whether it compares trials by all objectives and their bounds, and not by the first one alone."""

    resumes: ClassVar[bool] = True
    """Whether a study can be resumed: the state machine's state can be saved."""

    def faults(self, *, epochs: int, trials: int) -> list[Fault]:
        """What makes these settings unfit for a study's budget; empty if they fit."""
        return []

    def space_faults(self, space: Mapping[str, Any]) -> list[Fault]:
        """What makes these settings unfit for a space; empty if they fit."""
        return []

    def resolved(self, epochs: int, before: "SchedulerSettings | None" = None) -> Self:
        """The settings as a study stores them: with a value wherever the default depends on the budget."""
        return self

    def next_milestone(self, epoch: int, epochs: int) -> int:
        """The next epoch at which a trial must report."""
        raise NotImplementedError

    def leaves_checkpoint(self, epoch: int, epochs: int) -> bool:
        """Whether a trial must write a checkpoint at a milestone, because it may be paused or exploited there."""
        return self.pauses or self.exploits

    def build(self, context: SchedulerContext) -> Scheduler:
        """Build the state machine for a study."""
        raise NotImplementedError


def beyond_maximum(field: str, value: int, epochs: int) -> list[Fault]:
    """The fault of a number of epochs that no trial reaches; empty if trials reach it."""
    allowed = f"must be at most budget.epochs, which is {epochs}"
    return [Fault(f"scheduler.{field}", value, allowed)] if value > epochs else []
