"""Schedulers that compare a trial with all others at each epoch, or with none: median stopping and FIFO."""

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline.schedulers.base import Decision, ObjectiveValues, Scheduler, SchedulerContext, SchedulerSettings
from pipeline.space import Count


@dataclass(frozen=True)
class FIFO(SchedulerSettings):
    """First in, first out: no trial is stopped early."""

    title: ClassVar[str] = "no early stopping"
    kind: Literal["fifo"] = field(default="fifo", repr=False)

    def next_milestone(self, epoch: int, epochs: int) -> int:
        return epochs

    def build(self, context: SchedulerContext) -> Scheduler:
        return Scheduler()


@dataclass(frozen=True)
class MedianStopping(SchedulerSettings):
    """Median stopping (Golovin et al. 2017, "Google Vizier: A Service for Black-Box Optimization").

    Like Ray's MedianStoppingRule: after each epoch a trial stops if its best value so far is worse than the median of
    the other trials' running means, each over its epochs from the grace period to this one. Only trials that have
    reached this epoch count, including ended ones.

    Args:
        grace_period: Epochs that every trial gets; averages start there; at least 1.
        min_samples_required: How many other trials must have reached the same epoch; at least 1.
    """

    title: ClassVar[str] = "median stopping"

    grace_period: Count = 1
    min_samples_required: Count = 3
    kind: Literal["median"] = field(default="median", repr=False)

    def build(self, context: SchedulerContext) -> Scheduler:
        return _Median(self, context)


class _Median(Scheduler):
    def __init__(self, settings: MedianStopping, context: SchedulerContext) -> None:
        self._settings, self._context = settings, context
        self._curves: dict[str, list[float]] = {}
        # The running means at each epoch in order: the median is in the middle.
        self._means: dict[int, list[float]] = {}

    def on_result(self, trial_id: str, epoch: int, value: float, values: ObjectiveValues | None = None) -> Decision:
        curve = self._curves.setdefault(trial_id, [])
        if epoch <= len(curve):
            return Decision("continue", f"epoch {epoch} was decided before")
        curve.append(value)
        if epoch < self._settings.grace_period:
            return Decision("continue", f"{value:.6g} at epoch {epoch}, within the grace period")
        if epoch >= self._context.epochs:
            return Decision("continue", f"{value:.6g} at epoch {epoch}, the last")
        others = self._means.get(epoch, [])
        count, middle = len(others), len(others) // 2
        cutoff = (others[middle] + others[~middle]) / 2 if others else None
        self._keep_mean(curve, epoch)
        if cutoff is None or count < self._settings.min_samples_required:
            few = f"{count} of at least {self._settings.min_samples_required}"
            return Decision("continue", f"{value:.6g} at epoch {epoch}, which too few other trials have reached: {few}")
        maximised = self._context.mode == "max"
        best = max(curve) if maximised else min(curve)
        border = f"{cutoff:.6g}, the median of the running means of other trials ({count}) at epoch {epoch}"
        own = f"{value:.6g}, best {best:.6g}"
        if best < cutoff if maximised else best > cutoff:
            return Decision("stop", f"{own}, is {'below' if maximised else 'above'} {border}", cutoff=cutoff)
        return Decision("continue", f"{own}, reaches {border}", cutoff=cutoff)

    def state(self) -> dict[str, Any]:
        return {"curves": {trial_id: [*curve] for trial_id, curve in self._curves.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._curves = {trial_id: list(curve) for trial_id, curve in state["curves"].items()}
        self._means = {}
        for curve in self._curves.values():
            for epoch in range(self._settings.grace_period, len(curve) + 1):
                self._keep_mean(curve, epoch)

    def _keep_mean(self, curve: list[float], epoch: int) -> None:
        insort(self._means.setdefault(epoch, []), float(np.mean(curve[self._settings.grace_period - 1 : epoch])))
