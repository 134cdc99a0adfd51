"""Schedulers: which trial continues, which one stops, and why."""

from typing import Annotated, TypeAlias

from pydantic import Discriminator, Tag

from pipeline.schedulers.asha import ASHA
from pipeline.schedulers.base import (
    Action,
    Chosen,
    Decision,
    Mode,
    ObjectiveValues,
    Scheduler,
    SchedulerContext,
    SchedulerSettings,
)
from pipeline.schedulers.fifo import FIFO
from pipeline.schedulers.halving import SuccessiveHalving
from pipeline.schedulers.hyperband import Hyperband
from pipeline.schedulers.median import MedianStopping
from pipeline.schedulers.moasha import MOASHA, PromotingMOASHA
from pipeline.schedulers.pasha import PASHA
from pipeline.schedulers.pb2 import PB2
from pipeline.schedulers.pbt import PBT
from pipeline.schedulers.promoting import PromotingASHA
from pipeline.schedulers.ray import RayScheduler
from pipeline.space.ray_class_settings import kind_of

__all__ = [
    "ASHA",
    "FIFO",
    "MOASHA",
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
    "ObjectiveValues",
    "PromotingASHA",
    "PromotingMOASHA",
    "RayScheduler",
    "Scheduler",
    "SchedulerContext",
    "SchedulerSettings",
    "SuccessiveHalving",
]

SCHEDULERS: dict[str, type[SchedulerSettings]] = {
    "asha": ASHA,
    "promoting-asha": PromotingASHA,
    "pasha": PASHA,
    "moasha": MOASHA,
    "promoting-moasha": PromotingMOASHA,
    "halving": SuccessiveHalving,
    "hyperband": Hyperband,
    "median": MedianStopping,
    "pbt": PBT,
    "pb2": PB2,
    "fifo": FIFO,
}
"""Every scheduler by its name on the command line."""

AnyScheduler: TypeAlias = Annotated[
    Annotated[ASHA, Tag("asha")]
    | Annotated[PromotingASHA, Tag("promoting-asha")]
    | Annotated[PASHA, Tag("pasha")]
    | Annotated[MOASHA, Tag("moasha")]
    | Annotated[PromotingMOASHA, Tag("promoting-moasha")]
    | Annotated[SuccessiveHalving, Tag("halving")]
    | Annotated[Hyperband, Tag("hyperband")]
    | Annotated[MedianStopping, Tag("median")]
    | Annotated[PBT, Tag("pbt")]
    | Annotated[PB2, Tag("pb2")]
    | Annotated[FIFO, Tag("fifo")]
    | Annotated[RayScheduler, Tag("ray")],
    Discriminator(kind_of),
]
"""The settings of any scheduler, or of a class of Ray Tune; `kind` says which."""
