"""Successive halving for several objectives: trials are compared by non-dominated sorting."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from pipeline.schedulers.base import Decision, Mode, ObjectiveValues, Scheduler, SchedulerContext
from pipeline.schedulers.rungs import GivenRungSettings, Promoting, Rung, RungSettings, Stopping

_Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MOASHA(GivenRungSettings):
    """ASHA for several objectives (Schmucker et al. 2021, "Multi-objective Asynchronous Successive Halving").

    The variant that stops and never promotes. At each rung, trials within the objectives' bounds come before others,
    and those on the front before those that are dominated; within a front they are spread evenly, by an epsilon-net
    (Salinas et al. 2021). A trial continues if it is among the first 1/reduction_factor of all that have reported
    there. With one objective it compares values, as ASHA does.
    """

    title: ClassVar[str] = "MO-ASHA"
    every_objective: ClassVar[bool] = True
    kind: Literal["moasha"] = field(default="moasha", repr=False)

    def build(self, context: SchedulerContext) -> Scheduler:
        return Stopping(_rungs(self, context)[:-1])


@dataclass(frozen=True)
class PromotingMOASHA(RungSettings):
    """MOASHA that pauses and promotes, as published: a paused trial may still continue.

    A trial is paused at each rung. A free worker takes the first trial of the highest rung that is among the first
    1/reduction_factor there, in the order that MOASHA has, and has not continued yet, or else a new one.
    """

    title: ClassVar[str] = "MO-ASHA that pauses and promotes"
    pauses: ClassVar[bool] = True
    every_objective: ClassVar[bool] = True
    kind: Literal["promoting-moasha"] = field(default="promoting-moasha", repr=False)

    def build(self, context: SchedulerContext) -> Scheduler:
        return Promoting(_rungs(self, context), context)


def _rungs(settings: RungSettings, context: SchedulerContext) -> "list[MultiObjectiveRung]":
    at = settings.rungs(context.epochs)
    return [MultiObjectiveRung(epoch, context.mode, settings.factor, context.objectives) for epoch in at]


class MultiObjectiveRung(Rung):
    """A rung whose trials are compared by several objectives.

    Trials within their bounds come first, front by front (non-dominated sorting: Deb et al. 2002, "NSGA-II"); those
    beyond come last, by violation alone. A front is ordered by an epsilon-net, as in Salinas et al. 2021: the best
    trial in the first objective, then always the one that is farthest from those before, by ranks within the front.
    """

    def __init__(self, epoch: int, mode: Mode, factor: float, objectives: Sequence[tuple[str, Mode]]) -> None:
        super().__init__(epoch, mode, factor)
        self._several, self._objectives = bool(objectives), objectives or [("", mode)]
        self._numbers: dict[str, int] = {}
        # For each trial, its violation with its losses, and the number of its front.
        self._points: _Reals = np.empty((0, 1 + len(self._objectives)))
        self._fronts = np.empty(0, int)
        self._orders: dict[int, tuple[bytes, list[int]]] = {}

    @property
    def ranking(self) -> list[str]:
        return list(self._ordered(len(self.values)))

    def report(self, trial_id: str, value: float, values: ObjectiveValues | None) -> None:
        """Insert a trial into its front; those that it dominates move on to the next front, and so on."""
        values = values or ObjectiveValues((-value if self.mode == "max" else value,))
        count = self._numbers[trial_id] = len(self.values)
        self.values[trial_id] = values
        # Any violation is dominated by none, and the smaller one dominates.
        losses = [math.inf] * len(values.losses) if values.violation else values.losses
        point = np.array([[values.violation, *losses]])
        above = self._fronts[_dominates(self._points[:, None], point).any(axis=1)]
        self._points, self._fronts = np.vstack([self._points, point]), np.append(self._fronts, -1)
        number, moved = int(above.max(initial=-1)) + 1, np.array([count])
        while len(moved):
            there = np.flatnonzero(self._fronts == number)
            self._fronts[moved] = number
            moved = there[_dominates(self._points[moved][:, None], self._points[there]).any(axis=0)]
            number += 1

    def rank(self, trial_id: str) -> int:
        return self.ranking.index(trial_id)

    def value_at(self, rank: int) -> float | None:
        return None if self._several else self._value(self.values[self.ranking[rank]].losses[0], self.mode)

    def held(self, most: int) -> Iterator[str]:
        return (trial_id for trial_id in self._ordered(most) if trial_id not in self.promoted)

    def compared(self, trial_id: str, value: float, values: ObjectiveValues | None) -> Decision:
        """Add a trial, and decide whether it continues: if it is among the first 1/factor."""
        self.report(trial_id, value, values)
        first = self.rank(trial_id) < math.ceil(len(self.values) / self.factor)
        reason = f"{self.place(trial_id)}: {'' if first else 'not '}among the first 1/{self.factor:g}"
        return Decision("continue" if first else "stop", reason, rung=self.epoch)

    def place(self, trial_id: str) -> str:
        place, values = self.rank(trial_id) + 1, self.values[trial_id]
        beyond = f", beyond its bounds by {values.violation:.3g}," if values.violation else ""
        losses = zip(self._objectives, values.losses, strict=True)
        shown = ", ".join(f"{metric} {self._value(loss, mode):.6g}".lstrip() for (metric, mode), loss in losses)
        front = f"on front {self._fronts[self._numbers[trial_id]] + 1}"
        return f"{shown}{beyond} is number {place} of {len(self.values)}, {front}, at rung {self.epoch}"

    def state(self) -> dict[str, Any]:
        values = {trial_id: [*one.losses, one.violation] for trial_id, one in self.values.items()}
        return {"values": values, "promoted": sorted(self.promoted)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.promoted = set(state["promoted"])
        for trial_id, (*losses, violation) in state["values"].items():
            self.report(trial_id, 0.0, ObjectiveValues(tuple(losses), violation))

    @staticmethod
    def _value(loss: float, mode: Mode) -> float:
        return -loss if mode == "max" else loss

    def _ordered(self, most: int) -> Iterator[str]:
        """The first trials in order; where none is promoted anyway, the order is that of their reports."""
        trials, before, number = list(self.values), 0, 0
        while before < min(most, len(trials)):
            there = np.flatnonzero(self._fronts == number)
            members = there.tolist()
            if before <= int(len(trials) / self.factor):
                key = there.tobytes()
                if self._orders.get(number, (b"",))[0] != key:
                    order = _spread(np.array([self.values[trials[member]].losses for member in there]))
                    self._orders[number] = key, there[order].tolist()
                members = self._orders[number][1]
            yield from (trials[member] for member in members[: most - before])
            before, number = before + len(members), number + 1


def _dominates(one: _Reals, other: _Reals) -> npt.NDArray[np.bool_]:
    """Whether points dominate others; of equal ones, none does."""
    return np.asarray((one <= other).all(axis=-1) & (one < other).any(axis=-1))


def _spread(losses: _Reals) -> list[int]:
    """The points of a front in the order of an epsilon-net; of equal ones the earlier first."""
    ranks = np.stack([np.unique(column, return_inverse=True)[1] for column in losses.T], axis=1).astype(float)
    ranks /= np.maximum(ranks.max(axis=0), 1.0)
    order, apart = [int(np.argmin(losses[:, 0]))], np.full(len(losses), np.inf)
    while len(order) < len(losses):
        np.minimum(apart, np.sqrt(((ranks - ranks[order[-1]]) ** 2).sum(axis=1)), out=apart)
        apart[order[-1]] = -1.0
        order.append(int(apart.argmax()))
    return order
