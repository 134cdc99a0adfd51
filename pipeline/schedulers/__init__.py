"""Schedulers: which trial goes on, which one stops, and why."""

from typing import Annotated, TypeAlias

from pydantic import Discriminator, Tag

from pipeline.schedulers.asha import ASHA
from pipeline.schedulers.base import Action, Chosen, Decision, Mode, Scheduler, SchedulerSettings, Setting
from pipeline.schedulers.fifo import FIFO
from pipeline.schedulers.hyperband import Hyperband
from pipeline.schedulers.median import MedianStopping
from pipeline.schedulers.pasha import PASHA
from pipeline.schedulers.pb2 import PB2
from pipeline.schedulers.pbt import PBT
from pipeline.schedulers.promoting import PromotingASHA
from pipeline.schedulers.ray import RayScheduler
from pipeline.space.elsewhere import kind_of

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
    "RayScheduler",
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
    Annotated[ASHA, Tag("asha")]
    | Annotated[PromotingASHA, Tag("promoting-asha")]
    | Annotated[PASHA, Tag("pasha")]
    | Annotated[Hyperband, Tag("hyperband")]
    | Annotated[MedianStopping, Tag("median")]
    | Annotated[PBT, Tag("pbt")]
    | Annotated[PB2, Tag("pb2")]
    | Annotated[FIFO, Tag("fifo")]
    | Annotated[RayScheduler, Tag("ray")],
    Discriminator(kind_of),
]
"""The settings of any of them, or of a class of Ray Tune's, told by its kind."""
