"""Schedulers: which trial continues, which one stops, and why."""

from typing import TYPE_CHECKING, TypeAlias

from pipeline.schedulers.asha import ASHA
from pipeline.schedulers.base import Action, Decision, Mode, ObjectiveValues, Scheduler, SchedulerContext, Selection
from pipeline.schedulers.fifo import FIFO
from pipeline.schedulers.hyperband import Hyperband
from pipeline.schedulers.median import MedianStopping
from pipeline.schedulers.moasha import MOASHA, PromotingMOASHA
from pipeline.schedulers.pasha import PASHA
from pipeline.schedulers.pb2 import PB2
from pipeline.schedulers.pbt import PBT
from pipeline.schedulers.promoting_asha import PromotingASHA
from pipeline.schedulers.ray import RayScheduler
from pipeline.schedulers.settings import SchedulerSettings
from pipeline.schedulers.successive_halving import SuccessiveHalving
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
