"""Schedulers: which trial continues, which one stops, and why."""

from typing import TYPE_CHECKING, TypeAlias

from pipeline.schedulers.base import (
    Action,
    Decision,
    Mode,
    ObjectiveValues,
    RayScheduler,
    Scheduler,
    SchedulerContext,
    SchedulerSettings,
    Selection,
)
from pipeline.schedulers.brackets import Hyperband, SuccessiveHalving
from pipeline.schedulers.multi_objective import MOASHA, PromotingMOASHA
from pipeline.schedulers.pasha import PASHA
from pipeline.schedulers.pb2 import PB2
from pipeline.schedulers.population import PBT
from pipeline.schedulers.rungs import ASHA, PromotingASHA
from pipeline.schedulers.stopping import FIFO, MedianStopping
from pipeline.space import any_settings, kind_of

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
    "Selection",
    "SuccessiveHalving",
]

_ALL: tuple[type[SchedulerSettings], ...] = (
    ASHA,
    PromotingASHA,
    PASHA,
    MOASHA,
    PromotingMOASHA,
    SuccessiveHalving,
    Hyperband,
    MedianStopping,
    PBT,
    PB2,
    FIFO,
)

SCHEDULERS = {str(kind_of(settings)): settings for settings in _ALL}
"""Every scheduler by its name on the command line."""

if TYPE_CHECKING:
    AnyScheduler: TypeAlias = SchedulerSettings
else:
    AnyScheduler = any_settings(SCHEDULERS, RayScheduler)
"""The settings of any scheduler, or of a class of Ray Tune; `kind` says which."""
