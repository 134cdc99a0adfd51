"""Asynchronous successive halving for several objectives: trials are compared by non-dominated sorting."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pipeline.schedulers.base import Decision, ObjectiveValues, Scheduler, SchedulerContext
from pipeline.schedulers.multi_objective_rung import MultiObjectiveRung
from pipeline.schedulers.promoting_asha import Promoting
from pipeline.schedulers.rungs import MeasuredRungSettings, RungSettings, rungs


@dataclass(frozen=True)
class MOASHA(RungSettings):
    """ASHA for several objectives (Schmucker et al. 2021, "Multi-objective Asynchronous Successive Halving").

    The variant that stops and never promotes. At each rung, trials within the objectives' bounds come before others,
    and those on the front before those that are dominated; within a front they are spread evenly, by an epsilon-net
    (Salinas et al. 2021). A trial continues if it is among the first 1/reduction_factor of all that have reported
    there. With one objective it compares values, as ASHA does.

    Args:
        grace_period: Epochs of the first rung, which every trial gets; at least 1.
        reduction_factor: Each rung has this many times the epochs of the rung before, and about one in this many trials
            continues there; at least 1.01.
    """

    title: ClassVar[str] = "MO-ASHA"
    every_objective: ClassVar[bool] = True
    kind: Literal["moasha"] = field(default="moasha", repr=False)

    def build(self, context: SchedulerContext) -> Scheduler:
        """The state machine for a study."""
        return _MOASHA(self, context)


@dataclass(frozen=True)
class PromotingMOASHA(MeasuredRungSettings):
    """MOASHA that pauses and promotes, as published: a paused trial may still continue.

    A trial is paused at each rung. A free worker takes the first trial of the highest rung that is among the first
    1/reduction_factor there, in the order that MOASHA has, and has not continued yet, or else a new one.

    Args:
        grace_period: Epochs of the first rung, which every trial gets; at least 1. By default 6% of the maximum.
        reduction_factor: Each rung has this many times the epochs of the rung before, and about one in this many trials
            continues there; at least 1.01. By default 3.5.
    """

    title: ClassVar[str] = "MO-ASHA that pauses and promotes"
    pauses: ClassVar[bool] = True
    every_objective: ClassVar[bool] = True
    kind: Literal["promoting-moasha"] = field(default="promoting-moasha", repr=False)

    def build(self, context: SchedulerContext) -> Scheduler:
        """The state machine for a study."""
        at = (*self.rungs(context.epochs), context.epochs)
        multi_objective = [MultiObjectiveRung.of(epoch, self.factor, context) for epoch in at]
        return _PromotingMOASHA(at, self.factor, context, multi_objective)


class _PromotingMOASHA(Promoting):
    def on_objective_values(self, trial_id: str, epoch: int, value: float, values: ObjectiveValues) -> Decision:
        return self._reported(trial_id, epoch, value, values)


class _MOASHA(Scheduler):
    def __init__(self, settings: MOASHA, context: SchedulerContext) -> None:
        at = rungs(settings.grace_period, settings.reduction_factor, context.epochs)
        self._factor, self._mode = settings.reduction_factor, context.mode
        self._rungs = {epoch: MultiObjectiveRung.of(epoch, self._factor, context) for epoch in at}

    def on_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        return self.on_objective_values(
            trial_id, epoch, value, ObjectiveValues((-value if self._mode == "max" else value,))
        )

    def on_objective_values(self, trial_id: str, epoch: int, value: float, values: ObjectiveValues) -> Decision:
        rung = self._rungs.get(epoch)
        if rung is None:
            return Decision("continue", f"{value:.6g} at epoch {epoch}, where nothing is compared")
        if trial_id in rung.values:
            return Decision("continue", f"rung {epoch} was decided before", rung=epoch)
        rung.values[trial_id] = values
        if rung.rank(trial_id) < math.ceil(len(rung.values) / self._factor):
            return Decision("continue", f"{rung.place(trial_id)}: among the first 1/{self._factor:g}", rung=epoch)
        return Decision("stop", f"{rung.place(trial_id)}: not among the first 1/{self._factor:g}", rung=epoch)

    def state(self) -> dict[str, Any]:
        return {"rungs": {str(epoch): rung.state() for epoch, rung in self._rungs.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        for epoch, rung in self._rungs.items():
            if str(epoch) in state["rungs"]:
                rung.restore(state["rungs"][str(epoch)])
