"""Progressive ASHA: one rung is opened after the other, as long as more epochs change the ranking."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipeline.schedulers.base import Decision, Scheduler, SchedulerContext
from pipeline.schedulers.rungs import Promoting, Rung, RungSettings
from pipeline.space import Real

_PERCENTILE = 90
"""The percentile of random differences that is taken as noise: the paper's choice."""

_MAX_TRIALS = 200
"""Number of trials whose differences are used, the newest: the cost is quadratic."""


@dataclass(frozen=True)
class PASHA(RungSettings):
    """Progressive ASHA (Bohdal et al. 2023, "PASHA: Efficient HPO and NAS with Progressive Resource Allocation").

    Promotes like PromotingASHA, at first only between the two lowest rungs. When a trial reaches the current top rung,
    the trials there are ranked by both rungs; if one differs from the trial at its place by more than `epsilon`, the
    next rung is opened. If some trials are far ahead of the others, no trial needs to reach its end.

    Args:
        grace_period: Epochs of the first rung, which every trial gets; at least 1.
        reduction_factor: Each rung has this many times the epochs of the rung before, and about one in this many trials
            continues there; at least 1.01.
        epsilon: Differences of the objective up to this do not change a ranking; at least 0. By default the noise so
            far: the 90th percentile of the differences between trials that swapped ranks and swapped back, among at
            most 200 trials. Trials then report every epoch.
    """

    title: ClassVar[str] = "PASHA"
    pauses: ClassVar[bool] = True
    epsilon: Annotated[Real, Field(ge=0)] | None = None
    kind: Literal["pasha"] = field(default="pasha", repr=False)

    def next_milestone(self, epoch: int, epochs: int) -> int:
        # Noise is measured over all epochs.
        return epoch + 1 if self.epsilon is None else RungSettings.next_milestone(self, epoch, epochs)

    def leaves_checkpoint(self, epoch: int, epochs: int) -> bool:
        return epoch in self.rungs(epochs)

    def build(self, context: SchedulerContext) -> Scheduler:
        return _PASHA((*self.rungs(context.epochs), context.epochs), self, context)


class _PASHA(Promoting):
    def __init__(self, at: Sequence[int], settings: PASHA, context: SchedulerContext) -> None:
        super().__init__([Rung(epoch, context.mode) for epoch in at], settings.reduction_factor, context)
        self._epsilon = settings.epsilon
        self._top = at[min(1, len(at) - 1)]
        self._curves: dict[str, dict[int, float]] = {}

    def on_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        if self._epsilon is None:
            self._curves.setdefault(trial_id, {}).setdefault(epoch, value)
        again = epoch in self._rungs and trial_id in self._rungs[epoch].values
        decision = super().on_result(trial_id, epoch, value)
        if again or epoch != self._top or epoch == self._end:
            return decision
        reason = f"{self._rungs[epoch].place(trial_id)}, the topmost now; {self._compared()}"
        return Decision("pause", reason, rung=epoch)

    def state(self) -> dict[str, Any]:
        curves = {trial: {str(e): value for e, value in curve.items()} for trial, curve in self._curves.items()}
        return {**super().state(), "top": self._top, "curves": curves}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        # The last epoch of an earlier session may not be a rung of this one.
        self._top = next(epoch for epoch in self._rungs if epoch >= min(state["top"], self._end))
        self._curves = {
            trial: {int(epoch): value for epoch, value in curve.items()} for trial, curve in state["curves"].items()
        }

    def _open(self) -> Sequence[Rung]:
        return [rung for epoch, rung in self._rungs.items() if epoch <= self._top]

    def _promote_one_to_end(self, waiting: Collection[str]) -> None:
        """No trial has to reach the end."""

    def _final_stop_decision(self, trial_id: str) -> Decision:
        rung = self._rungs.newest(trial_id)
        if rung is None or rung.epoch != self._top:
            return super()._final_stop_decision(trial_id)
        reason = f"{rung.place(trial_id)}, the topmost; more epochs would not change which trial is best"
        return Decision("stop", reason, rung=rung.epoch)

    def _compared(self) -> str:
        """Whether the two topmost rungs rank trials the same, in words; opens the next rung if they do not."""
        below, top = self._open()[-2:]
        epsilon = self._noise(below.epoch) if self._epsilon is None else self._epsilon
        order = [trial_id for trial_id in below.ranking if trial_id in top.values]
        # A trial may have no value at the rung below: with fewer epochs in between, that was not a rung of the study.
        ranking = [trial_id for trial_id in top.ranking if trial_id in below.values]
        for trial_id, other in zip(ranking, order, strict=True):
            if abs(below.values[trial_id] - below.values[other]) > epsilon:
                self._top = next(epoch for epoch in self._rungs if epoch > self._top)
                return (
                    f"trial {trial_id} has another rank than at rung {below.epoch}, by more than {epsilon:.3g}: rung "
                    f"{self._top} is opened"
                )
        return f"rung {below.epoch} ranks them the same, within {epsilon:.3g}"

    def _noise(self, below: int) -> float:
        """The distance of trials that swapped ranks and swapped back; 0 if none did."""
        newest = (curve for curve in reversed(self._curves.values()) if max(curve) > below)
        beyond = list(islice(newest, _MAX_TRIALS))[::-1]
        epochs = np.array(sorted({epoch for curve in beyond for epoch in curve}))
        table = np.array([[curve.get(epoch, np.nan) for epoch in epochs.tolist()] for curve in beyond])
        distances = [_swapped_back(table[place] - table[place + 1 :], epochs > below) for place in range(len(beyond))]
        swapped = np.concatenate([*distances, ()])
        return float(np.percentile(swapped, _PERCENTILE)) if len(swapped) else 0.0


def _swapped_back(apart: npt.NDArray[np.float64], beyond: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """The final distances of the pairs that swapped ranks and swapped back."""

    def last(where: npt.NDArray[np.bool_]) -> Any:
        """The last true column of each row; any other column in a row without one."""
        return where.shape[1] - 1 - where[:, ::-1].argmax(axis=1)

    rows, there = np.arange(len(apart)), ~np.isnan(apart)
    newest = last(there)
    end = apart[rows, newest]
    alike = (apart > 0) == (end > 0)[:, None]
    swapped = there & ~alike
    back = (there & alike).argmax(axis=1) < last(swapped)
    distances: npt.NDArray[np.float64] = np.abs(end[there.any(axis=1) & beyond[newest] & swapped.any(axis=1) & back])
    return distances
