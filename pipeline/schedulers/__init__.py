"""Schedulers: which trial continues, which one stops, and why."""

from typing import TYPE_CHECKING, TypeAlias

from pipeline.schedulers.base import (
    Action as Action,
    Decision as Decision,
    Mode as Mode,
    ObjectiveValues as ObjectiveValues,
    RayScheduler as RayScheduler,
    Scheduler as Scheduler,
    SchedulerContext as SchedulerContext,
    SchedulerSettings as SchedulerSettings,
)
from pipeline.schedulers.hyperband import Hyperband as Hyperband
from pipeline.schedulers.multi_objective import MOASHA as MOASHA, PromotingMOASHA as PromotingMOASHA
from pipeline.schedulers.population import PBT as PBT
from pipeline.schedulers.rungs import ASHA as ASHA, PromotingASHA as PromotingASHA
from pipeline.schedulers.stopping import FIFO as FIFO, MedianStopping as MedianStopping
from pipeline.space import any_settings, kind_of

_ALL: tuple[type[SchedulerSettings], ...] = (
    ASHA,
    PromotingASHA,
    MOASHA,
    PromotingMOASHA,
    Hyperband,
    MedianStopping,
    PBT,
    FIFO,
)

SCHEDULERS = {str(kind_of(settings)): settings for settings in _ALL}

if TYPE_CHECKING:
    AnyScheduler: TypeAlias = SchedulerSettings
else:
    AnyScheduler = any_settings(SCHEDULERS, RayScheduler)
"""The settings of any scheduler, or of a class of Ray Tune; `kind` says which."""
