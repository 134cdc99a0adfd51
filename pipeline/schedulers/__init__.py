"""Schedulers: which trial goes on, which one stops, and why."""

from typing import Annotated, TypeAlias

from pydantic import Field

from pipeline.schedulers.asha import ASHA
from pipeline.schedulers.base import Action, Decision, Mode, Scheduler, SchedulerSettings, Setting
from pipeline.schedulers.fifo import FIFO
from pipeline.schedulers.pbt import PBT

__all__ = [
    "ASHA",
    "FIFO",
    "PBT",
    "SCHEDULERS",
    "Action",
    "AnyScheduler",
    "Decision",
    "Mode",
    "Scheduler",
    "SchedulerSettings",
    "Setting",
]

SCHEDULERS: dict[str, type[SchedulerSettings]] = {"asha": ASHA, "fifo": FIFO, "pbt": PBT}
"""Every scheduler by the name the command line knows it by."""

AnyScheduler: TypeAlias = Annotated[ASHA | FIFO | PBT, Field(discriminator="kind")]
