"""Asynchronous successive halving: bad trials stop early, at a few fixed epochs."""

import math
from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pipeline.schedulers.base import Decision, Mode, Scheduler, SchedulerContext
from pipeline.schedulers.rungs import RungSettings, rungs


@dataclass(frozen=True)
class ASHA(RungSettings):
    """Asynchronous successive halving (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning").

    The variant that stops and never promotes, with one bracket, like Ray's AsyncHyperBandScheduler: at each rung a
    trial continues if its value is at least the cutoff, the best 1/reduction_factor quantile of the values that were
    reported at that rung before. The first trial at a rung continues.

    Args:
        grace_period: Epochs of the first rung, which every trial gets; at least 1.
        reduction_factor: Each rung has this many times the epochs of the rung before, and about one in this many trials
            continues there; at least 1.01.
    """

    title: ClassVar[str] = "ASHA"
    kind: Literal["asha"] = field(default="asha", repr=False)

    def build(self, context: SchedulerContext) -> Scheduler:
        """The state machine for a study."""
        return _ASHA(
            rungs(self.grace_period, self.reduction_factor, context.epochs), self.reduction_factor, context.mode
        )


class _ASHA(Scheduler):
    def __init__(self, at: Sequence[int], reduction_factor: float, mode: Mode) -> None:
        self._recorded: dict[int, dict[str, float]] = {rung: {} for rung in at}
        self._ordered: dict[int, list[float]] = {rung: [] for rung in at}
        """The values at each rung, the best last: sorting them at each report takes longer with each trial."""
        self._factor = reduction_factor
        self._mode = mode

    def on_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        recorded = self._recorded.get(epoch)
        if recorded is None:
            return Decision("continue", f"{value:.6g} at epoch {epoch}, where nothing is compared")
        if trial_id in recorded:
            return Decision("continue", f"rung {epoch} was decided before, with {recorded[trial_id]:.6g}", rung=epoch)
        count = len(recorded)
        cutoff = self._cutoff(self._ordered[epoch])
        self._record(epoch, trial_id, value)
        if cutoff is None:
            return Decision("continue", f"{value:.6g} is the first value at rung {epoch}", rung=epoch)
        earlier = "one earlier value" if count == 1 else f"{count} earlier values"
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
            self._ordered[rung].clear()
            for trial_id, value in state["rungs"].get(str(rung), {}).items():
                self._record(rung, trial_id, value)

    def _record(self, rung: int, trial_id: str, value: float) -> None:
        self._recorded[rung][trial_id] = value
        insort(self._ordered[rung], value if self._mode == "max" else -value)

    def _cutoff(self, ordered: Sequence[float]) -> float | None:
        """The quantile of the values, interpolated as NumPy does it, to the last digit; None without values."""
        if not ordered:
            return None
        place = (len(ordered) - 1) * ((1 - 1 / self._factor) * 100 / 100)
        lower, share = math.floor(place), place - math.floor(place)
        below, above = ordered[lower], ordered[min(lower + 1, len(ordered) - 1)]
        apart = above - below
        cutoff = above - apart * (1 - share) if share >= 0.5 else below + apart * share
        return cutoff if self._mode == "max" else -cutoff
