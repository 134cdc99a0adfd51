"""Schedulers: which trial goes on, which one stops, and why."""

from typing import Annotated, TypeAlias

from pydantic import Field

from pipeline.schedulers.asha import ASHA
from pipeline.schedulers.base import Action, Chosen, Decision, Mode, Scheduler, SchedulerSettings, Setting
from pipeline.schedulers.fifo import FIFO
from pipeline.schedulers.hyperband import Hyperband
from pipeline.schedulers.median import MedianStopping
from pipeline.schedulers.pasha import PASHA
from pipeline.schedulers.pb2 import PB2
from pipeline.schedulers.pbt import PBT
from pipeline.schedulers.promoting import PromotingASHA

__all__ = [
    "ASHA",
    "FIFO",
    "PASHA",
    "PB2",
    "PBT",
    "SCHEDULERS",
    "Action",
    "AnyScheduler",
    "Chosen",
    "Decision",
    "Hyperband",
    "MedianStopping",
    "Mode",
    "PromotingASHA",
    "Scheduler",
    "SchedulerSettings",
    "Setting",
]

SCHEDULERS: dict[str, type[SchedulerSettings]] = {
    "asha": ASHA,
    "promoting-asha": PromotingASHA,
    "pasha": PASHA,
    "hyperband": Hyperband,
    "median": MedianStopping,
    "pbt": PBT,
    "pb2": PB2,
    "fifo": FIFO,
}
"""Every scheduler by the name the command line knows it by."""

AnyScheduler: TypeAlias = Annotated[
    ASHA | PromotingASHA | PASHA | Hyperband | MedianStopping | PBT | PB2 | FIFO, Field(discriminator="kind")
]
