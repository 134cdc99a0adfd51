"""ASHA. To be filled."""

from typing import Literal

from pipeline.schedulers.base import SchedulerSettings

__all__ = ["ASHA"]


class ASHA(SchedulerSettings):
    """Asynchronous successive halving."""

    kind: Literal["asha"] = "asha"
    grace_period: int = 1
    reduction_factor: float = 2
