"""A rung whose trials are compared by several objectives."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.pareto import ByFronts, Reals
from pipeline.schedulers.base import Mode, ObjectiveValues, SchedulerContext

__all__ = ["MultiObjectiveRung"]


@dataclass(slots=True)
class MultiObjectiveRung:
    """The objective values that were reported at one epoch, in the order of `ByFronts`, and the trials that continue.

    Args:
        epoch: The epoch.
        factor: One trial in this many continues: the order of the others does not matter.
        mode: Whether larger or smaller values of the first objective are better.
        objectives: The metric and the mode of every objective; empty if there is one.
        values: What each trial has reached there, in the order of the reports.
        promoted: The trials that continue, as keys, in the order of these decisions.
    """

    epoch: int
    factor: float
    mode: Mode
    objectives: Sequence[tuple[str, Mode]] = ()
    values: dict[str, ObjectiveValues] = field(default_factory=dict)
    promoted: dict[str, None] = field(default_factory=dict)
    _ids: list[str] = field(default_factory=list)
    _rows: dict[str, int] = field(default_factory=dict)
    _table: Reals = field(default_factory=lambda: np.empty((0, 0)), compare=False)
    _continues: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_), compare=False)
    _order: ByFronts | None = field(default=None, compare=False)

    @classmethod
    def of(cls, epoch: int, factor: float, context: SchedulerContext) -> "MultiObjectiveRung":
        """A rung of a study.

        Args:
            epoch: The epoch.
            factor: One trial in this many continues.
            context: The study.
        """
        return cls(epoch, factor, context.mode, context.objectives)

    @property
    def ranking(self) -> list[str]:
        """Its trials, the first to continue first."""
        return [self._ids[row] for row in self._sorted()] if self.values else []

    def rank(self, trial_id: str) -> int:
        """The number of trials that are before a trial.

        Args:
            trial_id: A trial that has reported here.
        """
        order = self._sorted()
        return order.rank(self._rows[trial_id])

    def value_at(self, rank: int) -> float | None:
        """The value of the trial at a rank; None with several objectives, where no single value decides.

        Args:
            rank: The rank, from 0.
        """
        if self.objectives:
            return None
        trial_id = self._ids[self._sorted().at(rank)]
        return _value(self.values[trial_id].losses[0], self.mode)

    def promote(self, trial_id: str) -> None:
        """Let a trial continue from here.

        Args:
            trial_id: A trial that has reported here.
        """
        self.promoted[trial_id] = None
        if trial_id in self._rows:
            self._continues[self._rows[trial_id]] = True

    def held(self, most: int) -> Iterator[str]:
        """Those of the first trials that do not continue yet, the first one first.

        Args:
            most: Number of trials that may continue.
        """
        if not self.values:
            return
        order = self._sorted()
        # Most of the first fronts continue as a whole: they need no order.
        for number in np.unique(order.numbers[~self._continues[: len(self._ids)]]).tolist():
            before = order.before(number)
            if before >= most:
                return
            best = (self._ids[row] for row in order.front(number)[: most - before])
            yield from (trial_id for trial_id in best if trial_id not in self.promoted)

    def place(self, trial_id: str) -> str:
        """A trial's values and place, in words.

        Args:
            trial_id: A trial that has reported here.
        """
        place, values = self.rank(trial_id) + 1, self.values[trial_id]
        beyond = f", beyond its bounds by {values.violation:.3g}," if values.violation else ""
        front = f"on front {self._sorted().numbers[self._rows[trial_id]] + 1}"
        named = self.objectives or [("", self.mode)]
        losses = zip(named, values.losses, strict=True)
        shown = ", ".join(f"{metric} {_value(loss, mode):.6g}".lstrip() for (metric, mode), loss in losses)
        return f"{shown}{beyond} is number {place} of {len(self.values)}, {front}, at rung {self.epoch}"

    def state(self) -> dict[str, Any]:
        """Its state as JSON values."""
        values = {trial_id: [*one.losses, one.violation] for trial_id, one in self.values.items()}
        return {"values": values, "promoted": list(self.promoted)}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the result of `state`.

        Args:
            state: The JSON values.
        """
        stored = state["values"].items()
        self.values = {trial_id: ObjectiveValues(tuple(losses), violation) for trial_id, (*losses, violation) in stored}
        self.promoted = dict.fromkeys(state["promoted"])
        self._ids, self._rows, self._order = [], {}, None
        self._table, self._continues = np.empty((0, 0)), np.empty(0, np.bool_)

    def _sorted(self) -> ByFronts:
        """The order of the trials, made again after new reports; at least one has reported."""
        if self._order is None or len(self._ids) < len(self.values):
            self._add_rows()
            table = self._table[: len(self._ids)]
            # One more continues where the highest rung sends its best to the end.
            self._order = ByFronts(table[:, :-1], table[:, -1], int(len(self._ids) / self.factor) + 1)
        return self._order

    def _add_rows(self) -> None:
        """Add the trials that have reported since the last call: a table of all would take longer with each trial."""
        new = list(islice(reversed(self.values.items()), len(self.values) - len(self._ids)))[::-1]
        count = len(self._ids) + len(new)
        if count > len(self._table):
            width = len(new[0][1].losses) + 1
            table, continues = self._table[: len(self._ids)], self._continues[: len(self._ids)]
            self._table = np.concatenate([table.reshape(-1, width), np.empty((2 * count, width))])
            self._continues = np.concatenate([continues, np.empty(2 * count, np.bool_)])
        for trial_id, one in new:
            row = self._rows[trial_id] = len(self._ids)
            self._ids.append(trial_id)
            self._table[row] = (*one.losses, one.violation)
            self._continues[row] = trial_id in self.promoted


def _value(loss: float, mode: Mode) -> float:
    return -loss if mode == "max" else loss
