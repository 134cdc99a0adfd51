"""PBT. To be filled."""

from typing import ClassVar, Literal

from pipeline.schedulers.base import SchedulerSettings

__all__ = ["PBT"]


class PBT(SchedulerSettings):
    """Population based training."""

    needs_checkpoint: ClassVar[bool] = True
    kind: Literal["pbt"] = "pbt"
    interval: int = 1
    quantile: float = 0.25
    resample_probability: float = 0.25
