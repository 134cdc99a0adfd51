"""Successive halving for several objectives: trials are compared by non-dominated sorting."""

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from pipeline.schedulers.base import Decision, Mode, ObjectiveValues, Scheduler, SchedulerContext
from pipeline.schedulers.rungs import MeasuredRungSettings, Promoting, Rung, Rungs, RungSettings

_Reals = npt.NDArray[np.float64]

_FEW = 300
"""Of a front of up to this many points, all distances are computed together; a table of more would be large."""


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
        return _MOASHA(_rungs(self.rungs(context.epochs), self.reduction_factor, context), self.reduction_factor)


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
        at = (*self.rungs(context.epochs), context.epochs)
        return _PromotingMOASHA(_rungs(at, self.factor, context), self.factor, context)


class _PromotingMOASHA(Promoting):
    def on_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        loss = -value if self._rungs[self._end].mode == "max" else value
        return self._reported(trial_id, epoch, value, ObjectiveValues((loss,)))

    def on_objective_values(self, trial_id: str, epoch: int, value: float, values: ObjectiveValues) -> Decision:
        return self._reported(trial_id, epoch, value, values)


class _MOASHA(Scheduler):
    def __init__(self, own: "Sequence[MultiObjectiveRung]", factor: float) -> None:
        self._rungs, self._factor = Rungs(own), factor

    def on_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        rung = self._rungs.get(epoch)
        loss = -value if rung is not None and rung.mode == "max" else value
        return self.on_objective_values(trial_id, epoch, value, ObjectiveValues((loss,)))

    def on_objective_values(self, trial_id: str, epoch: int, value: float, values: ObjectiveValues) -> Decision:
        rung = self._rungs.get(epoch)
        if rung is None:
            return Decision("continue", f"{value:.6g} at epoch {epoch}, where nothing is compared")
        if trial_id in rung.values:
            return Decision("continue", f"rung {epoch} was decided before", rung=epoch)
        rung.report(trial_id, values)
        if rung.rank(trial_id) < math.ceil(len(rung.values) / self._factor):
            return Decision("continue", f"{rung.place(trial_id)}: among the first 1/{self._factor:g}", rung=epoch)
        return Decision("stop", f"{rung.place(trial_id)}: not among the first 1/{self._factor:g}", rung=epoch)

    def state(self) -> dict[str, Any]:
        return {"rungs": self._rungs.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._rungs.restore(state["rungs"])


def _rungs(at: Sequence[int], factor: float, context: SchedulerContext) -> "list[MultiObjectiveRung]":
    return [MultiObjectiveRung(epoch, context.mode, factor, context.objectives) for epoch in at]


class MultiObjectiveRung(Rung):
    """A rung whose trials are compared by several objectives.

    Trials within their bounds come first, front by front (non-dominated sorting: Deb et al. 2002, "NSGA-II"); those
    beyond come last, by violation alone. A front is ordered by an epsilon-net, as in Salinas et al. 2021: the best
    trial in the first objective, then always the one that is farthest from those before, by ranks within the front.
    """

    def __init__(self, epoch: int, mode: Mode, factor: float, objectives: Sequence[tuple[str, Mode]]) -> None:
        super().__init__(epoch, mode)
        self._factor, self._objectives = factor, objectives
        self._fronts: list[_Front] = []
        self._points: dict[str, _Reals] = {}
        self._numbers: dict[str, int] = {}

    @property
    def ranking(self) -> list[str]:
        return [trial_id for front, before in self._counted() for trial_id in self._ordered(front, before)]

    def report(self, trial_id: str, value: ObjectiveValues) -> None:
        """Insert a trial into its front; those that it dominates move on to the next front, and so on."""
        self._numbers[trial_id] = len(self.values)
        self.values[trial_id] = value
        # Any violation is dominated by none, and the smaller one dominates.
        losses = [math.inf] * len(value.losses) if value.violation else value.losses
        self._points[trial_id] = np.array([value.violation, *losses], np.float64)
        number, moved = self._front(trial_id), [trial_id]
        while moved:
            points = np.array([self._points[each] for each in moved])
            front = self._fronts[number] if number < len(self._fronts) else None
            out = None if front is None else front.dominated_by(points)
            if front is None or out is None or out.all():
                # A front that is moved as a whole moves the next one as a whole, too, and so on.
                self._fronts.insert(number, _Front(moved, points))
                return
            stay = ~out
            leaving = [each for each, goes in zip(front.trials, out.tolist(), strict=True) if goes]
            trials = [each for each, stays in zip(front.trials, stay.tolist(), strict=True) if stays] + moved
            self._fronts[number] = _Front(trials, np.concatenate([front.points[stay], points]))
            moved, number = leaving, number + 1

    def rank(self, trial_id: str) -> int:
        number = self._front(trial_id)
        before = sum(len(front.trials) for front in self._fronts[:number])
        return before + self._ordered(self._fronts[number], before).index(trial_id)

    def value_at(self, rank: int) -> float | None:
        if self._objectives:
            return None
        front, before = next(one for one in self._counted() if rank < one[1] + len(one[0].trials))
        return self._value(self.values[self._ordered(front, before)[rank - before]].losses[0], self.mode)

    def promote(self, trial_id: str) -> None:
        if trial_id not in self.promoted:
            self.promoted[trial_id] = None
            if (front := self._fronts[self._front(trial_id)]).open is not None:
                front.open -= 1

    def held(self, most: int) -> Iterator[str]:
        for front, before in self._counted():
            if before >= most:
                return
            if front.open is None:
                front.open = sum(trial_id not in self.promoted for trial_id in front.trials)
            # Most of the first fronts have no open trial: they need no order.
            if front.open:
                first = self._ordered(front, before)[: most - before]
                yield from (trial_id for trial_id in first if trial_id not in self.promoted)

    def place(self, trial_id: str) -> str:
        place, values = self.rank(trial_id) + 1, self.values[trial_id]
        beyond = f", beyond its bounds by {values.violation:.3g}," if values.violation else ""
        front = f"on front {self._front(trial_id) + 1}"
        losses = zip(self._objectives or [("", self.mode)], values.losses, strict=True)
        shown = ", ".join(f"{metric} {self._value(loss, mode):.6g}".lstrip() for (metric, mode), loss in losses)
        return f"{shown}{beyond} is number {place} of {len(self.values)}, {front}, at rung {self.epoch}"

    def state(self) -> dict[str, Any]:
        values = {trial_id: [*one.losses, one.violation] for trial_id, one in self.values.items()}
        return {"values": values, "promoted": list(self.promoted)}

    def restore(self, state: Mapping[str, Any]) -> None:
        values = {
            trial_id: ObjectiveValues(tuple(losses), violation)
            for trial_id, (*losses, violation) in state["values"].items()
        }
        super().restore({**state, "values": values})

    @staticmethod
    def _value(loss: float, mode: Mode) -> float:
        return -loss if mode == "max" else loss

    def _counted(self) -> "Iterator[tuple[_Front, int]]":
        """The fronts, each with the number of trials before it."""
        before = 0
        for front in self._fronts:
            yield front, before
            before += len(front.trials)

    def _front(self, trial_id: str) -> int:
        """The first front that does not dominate a trial: where one does, all fronts before it do, too."""
        point = self._points[trial_id]
        return bisect_left(self._fronts, True, key=lambda front: not front.dominates(point))

    def _ordered(self, front: "_Front", before: int) -> list[str]:
        """The trials of a front in order; where none is promoted anyway, the order is that of their reports."""
        if before > int(len(self.values) / self._factor):
            return self._reported_order(front)
        if front.order is None:
            trials = self._reported_order(front)
            places = _spread(np.array([self.values[trial_id].losses for trial_id in trials]))
            front.order = [trials[place] for place in places]
        return front.order

    def _reported_order(self, front: "_Front") -> list[str]:
        return sorted(front.trials, key=self._numbers.__getitem__)


@dataclass(slots=True)
class _Front:
    """Trials of which none dominates another."""

    trials: list[str]
    points: _Reals
    order: list[str] | None = None
    open: int | None = None

    def dominates(self, point: _Reals) -> bool:
        """Whether one of the points dominates a point; of equal ones, none does."""
        as_good = (self.points <= point).all(axis=1)
        return bool((as_good & (self.points < point).any(axis=1)).any())

    def dominated_by(self, points: _Reals) -> npt.NDArray[np.bool_]:
        """Which of its points one of some points dominates."""
        as_good = (points[:, None] <= self.points).all(axis=2)
        return np.asarray((as_good & (points[:, None] < self.points).any(axis=2)).any(axis=0))


def _spread(losses: _Reals) -> list[int]:
    """The points of a front in the order of an epsilon-net; of equal ones the earlier first."""
    if len(losses) < 3:
        return sorted(range(len(losses)), key=lambda place: float(losses[place, 0]))
    ranks = np.stack([np.unique(column, return_inverse=True)[1] for column in losses.T]).astype(float)
    ranks /= np.maximum(ranks.max(axis=1, keepdims=True), 1.0)

    def distances(points: slice) -> _Reals:
        found: _Reals = np.sqrt(((ranks[:, points, None] - ranks[:, None]) ** 2).sum(axis=0))
        return found

    chosen = int(np.argmin(losses[:, 0]))
    order, apart = [chosen], np.full(len(losses), np.inf)
    whole = distances(slice(None)) if len(losses) <= _FEW else None
    while len(order) < len(losses):
        np.minimum(apart, distances(slice(chosen, chosen + 1))[0] if whole is None else whole[chosen], out=apart)
        apart[chosen] = -1.0
        chosen = int(apart.argmax())
        order.append(chosen)
    return order
