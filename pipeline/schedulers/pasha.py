"""Progressive ASHA: one rung is opened after the other, as long as more epochs change the ranking."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline.schedulers.base import Decision, ObjectiveValues, Scheduler, SchedulerContext
from pipeline.schedulers.rungs import GivenRungSettings, Promoting, Rung

_PERCENTILE = 90
"""The percentile of random differences that is taken as noise: the paper's choice."""

_MAX_TRIALS = 100
"""Number of trials whose differences are used, the newest: the cost is quadratic."""


@dataclass(frozen=True)
class PASHA(GivenRungSettings):
    """Progressive ASHA (Bohdal et al. 2023, "PASHA: Efficient HPO and NAS with Progressive Resource Allocation").

    Promotes like PromotingASHA, at first only between the two lowest rungs. When a trial reaches the current top rung,
    the trials there are ranked by both rungs; if one differs from the trial at its place by more than the noise, the
    next rung is opened. The noise is the 90th percentile of the differences between trials that swapped ranks and
    swapped back, among at most 100 trials; for this, trials report every epoch. If some trials are far ahead of the
    others, no trial needs to reach its end.
    """

    title: ClassVar[str] = "PASHA"
    pauses: ClassVar[bool] = True
    kind: Literal["pasha"] = field(default="pasha", repr=False)

    def next_milestone(self, epoch: int, epochs: int) -> int:
        # Noise is measured over all epochs.
        return epoch + 1

    def leaves_checkpoint(self, epoch: int, epochs: int) -> bool:
        return epoch in self.rungs(epochs)

    def build(self, context: SchedulerContext) -> Scheduler:
        return _PASHA([Rung(epoch, context.mode, self.factor) for epoch in self.rungs(context.epochs)], context)


class _PASHA(Promoting):
    def __init__(self, own: Sequence[Rung], context: SchedulerContext) -> None:
        super().__init__(own, context)
        self._top = own[min(1, len(own) - 1)].epoch
        self._curves: dict[str, list[float]] = {}

    def on_result(self, trial_id: str, epoch: int, value: float, values: ObjectiveValues | None = None) -> Decision:
        curve = self._curves.setdefault(trial_id, [])
        if epoch == len(curve) + 1:
            curve.append(value)
        again = epoch in self._rungs and trial_id in self._rungs[epoch].values
        decision = super().on_result(trial_id, epoch, value)
        if again or epoch != self._top or epoch == self._rungs.end:
            return decision
        reason = f"{self._rungs[epoch].place(trial_id)}, the topmost now; {self._compared()}"
        return Decision("pause", reason, rung=epoch)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "top": self._top, "curves": {trial: [*each] for trial, each in self._curves.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        # The last epoch of an earlier session may not be a rung of this one.
        self._top = next(epoch for epoch in self._rungs if epoch >= min(state["top"], self._rungs.end))
        self._curves = {trial: list(curve) for trial, curve in state["curves"].items()}

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
        noise = self._noise(below.epoch)
        order = [trial_id for trial_id in below.ranking if trial_id in top.values]
        # A trial may have no value at the rung below: with fewer epochs in between, that was not a rung of the study.
        ranking = [trial_id for trial_id in top.ranking if trial_id in below.values]
        for trial_id, other in zip(ranking, order, strict=True):
            if abs(below.values[trial_id] - below.values[other]) > noise:
                self._top = next(epoch for epoch in self._rungs if epoch > self._top)
                differs = f"trial {trial_id} has another rank than at rung {below.epoch}, by more than {noise:.3g}"
                return f"{differs}: rung {self._top} is opened"
        return f"rung {below.epoch} ranks them the same, within {noise:.3g}"

    def _noise(self, below: int) -> float:
        """The distance of trials that swapped ranks and swapped back; 0 if none did."""
        curves = [curve for curve in self._curves.values() if len(curve) > below][-_MAX_TRIALS:]
        table = np.full((len(curves), max(map(len, curves))), np.nan)
        for row, curve in zip(table, curves, strict=True):
            row[: len(curve)] = curve
        # The differences of all pairs at each epoch, up to the last one that both have.
        apart = table[:, None] - table
        there = ~np.isnan(apart)
        swaps = (((apart[..., 1:] > 0) != (apart[..., :-1] > 0)) & there[..., 1:]).sum(axis=2)
        one, other = np.nonzero(np.triu(swaps > 1, 1))
        final = apart[one, other, there.sum(axis=2)[one, other] - 1]
        return float(np.percentile(np.abs(final), _PERCENTILE)) if len(final) else 0.0
