"""A scheduler of Ray Tune, named by its class path; this package does not import Ray."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import Field

from pipeline.errors import Fault, InvalidJob
from pipeline.schedulers.base import Scheduler, SchedulerContext
from pipeline.schedulers.settings import SchedulerSettings
from pipeline.space import OpenSettings


@dataclass(frozen=True)
class RayScheduler(SchedulerSettings):
    """Any scheduler of Ray Tune that stops or pauses trials.

    It gives no reasons, and its state cannot be saved, so its study cannot be resumed.

    Args:
        kind: The class's path: `ray.tune.schedulers.MedianStoppingRule`.
        settings: The arguments of the class, by name. The study sets metric, mode and the time attribute, and the
            maximum time unless it is given.
    """

    resumes: ClassVar[bool] = False

    kind: Annotated[str, Field(strict=True, pattern=r"^ray\.tune\.schedulers(\.[A-Za-z_]\w*)+$")]
    settings: OpenSettings = field(default_factory=dict)

    def next_milestone(self, epoch: int, epochs: int) -> int:
        """The next epoch: the class's milestones are unknown."""
        return epoch + 1

    def build(self, context: SchedulerContext) -> Scheduler:
        """Refuse to build: only a study that trains can use Ray's classes.

        Raises:
            InvalidJob: Always; the driver builds the class itself.
        """
        allowed = "must be one of tunepipe's own schedulers if nothing is trained: asha, median, …"
        raise InvalidJob("the job", [Fault("scheduler", self.kind, allowed)])
