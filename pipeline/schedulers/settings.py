"""The base of all schedulers' settings: what a user writes, and what builds the state machine."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import ConfigDict

from pipeline.errors import Fault
from pipeline.schedulers.base import Scheduler, SchedulerContext
from pipeline.space.values import STRICT_CONFIG

__all__ = ["SchedulerSettings", "beyond_maximum"]


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
        """What makes these settings unfit for a study's budget; empty if they fit.

        Args:
            epochs: The maximum epochs of a trial.
            trials: The largest number of trials in the study.
        """
        return []

    def space_faults(self, space: Mapping[str, Any]) -> list[Fault]:
        """What makes these settings unfit for a space; empty if they fit.

        Args:
            space: The space.
        """
        return []

    def resolved(self, epochs: int, before: "SchedulerSettings | None" = None) -> Self:
        """The settings as a study stores them: with a value wherever the default depends on the budget.

        Args:
            epochs: The maximum epochs of a trial.
            before: The settings with which the study began, for one that is resumed: values that are not given here
                stay the same.
        """
        return self

    def next_milestone(self, epoch: int, epochs: int) -> int:
        """The next epoch at which a trial must report.

        Args:
            epoch: The trial's own epoch now; 0 before the first.
            epochs: The maximum epochs of a trial.

        Returns:
            An epoch above `epoch`, at most `epochs`.
        """
        raise NotImplementedError

    def leaves_checkpoint(self, epoch: int, epochs: int) -> bool:
        """Whether a trial must write a checkpoint at a milestone, because it may be paused or exploited there.

        Args:
            epoch: The milestone.
            epochs: The maximum epochs of a trial.
        """
        return self.pauses or self.exploits

    def build(self, context: SchedulerContext) -> Scheduler:
        """Build the state machine for a study.

        Args:
            context: The study.

        Returns:
            A scheduler without trials.
        """
        raise NotImplementedError


def beyond_maximum(field: str, value: int, epochs: int) -> list[Fault]:
    """The fault of a number of epochs that no trial reaches; empty if trials reach it.

    Args:
        field: The scheduler's field.
        value: Its value, in epochs.
        epochs: The maximum epochs of a trial.
    """
    allowed = f"must be at most budget.epochs, which is {epochs}"
    return [Fault(f"scheduler.{field}", value, allowed)] if value > epochs else []
