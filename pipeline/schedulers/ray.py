"""A scheduler of Ray Tune's, by its class path: only named here, since nothing in this room knows Ray."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import Field

from pipeline.errors import Fault, InvalidJob
from pipeline.schedulers.base import Scheduler, SchedulerSettings, Setting
from pipeline.space.elsewhere import OpenSettings

__all__ = ["RayScheduler"]


@dataclass(frozen=True)
class RayScheduler(SchedulerSettings):
    """Any scheduler of Ray Tune's that stops or pauses trials.

    It tells no reasons, and what it knows cannot be saved: its study is not resumed.

    Args:
        kind: The class's path: `ray.tune.schedulers.MedianStoppingRule`.
        settings: What its class takes, by name. Metric, mode and the attribute of time are set by the study, and so is
            the longest time unless it is given.
    """

    resumes: ClassVar[bool] = False

    kind: Annotated[str, Field(strict=True, pattern=r"^ray\.tune\.schedulers(\.[A-Za-z_]\w*)+$")]
    settings: OpenSettings = field(default_factory=dict)

    def next_milestone(self, epoch: int, epochs: int) -> int:
        """The next epoch: nobody here knows which ones it waits for."""
        return epoch + 1

    def build(self, setting: Setting) -> Scheduler:
        """Nothing, where there is no Ray.

        Raises:
            InvalidJob: Always; who trains builds the class itself.
        """
        allowed = "must be a scheduler of tunepipe's own where nothing is trained: asha, median, …"
        raise InvalidJob("the job", [Fault("scheduler", self.kind, allowed)])
