"""FIFO: every trial trains to its end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pipeline.schedulers.base import Decision, Scheduler, SchedulerContext
from pipeline.schedulers.settings import SchedulerSettings


@dataclass(frozen=True)
class FIFO(SchedulerSettings):
    """First in, first out: no trial is stopped early."""

    title: ClassVar[str] = "no early stopping"
    kind: Literal["fifo"] = field(default="fifo", repr=False)

    def next_milestone(self, epoch: int, epochs: int) -> int:
        """The last epoch."""
        return epochs

    def build(self, context: SchedulerContext) -> Scheduler:
        """The state machine, which has no state."""
        return _FIFO()


class _FIFO(Scheduler):
    def on_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        return Decision("continue", "FIFO stops no trial early")

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        pass
