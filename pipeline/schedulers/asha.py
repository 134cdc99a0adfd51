"""Asynchronous successive halving: bad trials stop early, at a few fixed epochs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from pipeline.schedulers.base import Decision, Mode, Scheduler, Setting
from pipeline.schedulers.rungs import RungSettings, rungs

__all__ = ["ASHA"]


@dataclass(frozen=True)
class ASHA(RungSettings):
    """Asynchronous successive halving (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning").

    The variant that stops and never promotes, with one bracket, as Ray's AsyncHyperBandScheduler has it: at each rung a
    trial goes on if its value is at least the cutoff, the best 1/reduction_factor quantile of the values that were
    reported at that rung before it. The first one there goes on.

    Args:
        grace_period: Epochs that every trial gets; the first rung. At least 1.
        reduction_factor: From rung to rung the epochs grow by this factor, and about one trial in so many goes on.
            At least 1.01.
    """

    kind: Literal["asha"] = field(default="asha", repr=False)

    def build(self, setting: Setting) -> Scheduler:
        """The state machine for a study."""
        return _ASHA(
            rungs(self.grace_period, self.reduction_factor, setting.epochs), self.reduction_factor, setting.mode
        )


class _ASHA(Scheduler):
    def __init__(self, at: Sequence[int], reduction_factor: float, mode: Mode) -> None:
        self._recorded: dict[int, dict[str, float]] = {rung: {} for rung in at}
        self._factor = reduction_factor
        self._mode = mode

    def report(self, trial_id: str, epoch: int, value: float) -> Decision:
        recorded = self._recorded.get(epoch)
        if recorded is None:
            return Decision("continue", f"{value:.6g} at epoch {epoch}, where nothing is compared")
        if trial_id in recorded:
            return Decision("continue", f"rung {epoch} was decided before, with {recorded[trial_id]:.6g}", rung=epoch)
        before = list(recorded.values())
        recorded[trial_id] = value
        if not before:
            return Decision("continue", f"{value:.6g} is the first value at rung {epoch}", rung=epoch)
        cutoff = self._cutoff(before)
        earlier = "one earlier value" if len(before) == 1 else f"{len(before)} earlier values"
        border = f"{cutoff:.6g}, the cutoff for the best 1/{self._factor:g} of {earlier} at rung {epoch}"
        if value < cutoff if self._mode == "max" else value > cutoff:
            misses = "is below" if self._mode == "max" else "is above"
            return Decision("stop", f"{value:.6g} {misses} {border}", rung=epoch, cutoff=cutoff)
        return Decision("continue", f"{value:.6g} reaches {border}", rung=epoch, cutoff=cutoff)

    def state(self) -> dict[str, Any]:
        return {"rungs": {str(rung): dict(recorded) for rung, recorded in self._recorded.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        for rung, recorded in self._recorded.items():
            recorded.clear()
            recorded.update(state["rungs"].get(str(rung), {}))

    def _cutoff(self, values: Sequence[float]) -> float:
        sign = 1 if self._mode == "max" else -1
        percentile = np.nanpercentile(sign * np.array(values, dtype=np.float64), (1 - 1 / self._factor) * 100)
        return sign * float(percentile)
