"""A rung whose trials are compared by several objectives."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pipeline.schedulers.base import Mode, ObjectiveValues, SchedulerContext
from pipeline.schedulers.fronts import Fronts


@dataclass(slots=True)
class MultiObjectiveRung:
    """The objective values that were reported at one epoch, in the order of `Fronts`, and the trials that continue."""

    epoch: int
    factor: float
    mode: Mode
    objectives: Sequence[tuple[str, Mode]] = ()
    values: dict[str, ObjectiveValues] = field(default_factory=dict)
    promoted: dict[str, None] = field(default_factory=dict)
    _ids: list[str] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)
    _fronts: Fronts | None = field(default=None, compare=False)

    @classmethod
    def of(cls, epoch: int, factor: float, context: SchedulerContext) -> "MultiObjectiveRung":
        """A rung of a study."""
        return cls(epoch, factor, context.mode, context.objectives)

    @property
    def ranking(self) -> list[str]:
        """Its trials, the first to continue first."""
        return [self._ids[number] for number in self._sorted()]

    def rank(self, trial_id: str) -> int:
        """The number of trials that are before a trial."""
        fronts = self._sorted()
        return fronts.rank(self._numbers[trial_id])

    def value_at(self, rank: int) -> float | None:
        """The value of the trial at a rank; None with several objectives, where no single value decides."""
        if self.objectives:
            return None
        trial_id = self._ids[self._sorted().at(rank)]
        return _value(self.values[trial_id].losses[0], self.mode)

    def promote(self, trial_id: str) -> None:
        """Let a trial continue from here."""
        fronts = self._sorted()
        if trial_id not in self.promoted:
            self.promoted[trial_id] = None
            fronts.close(self._numbers[trial_id])

    def held(self, most: int) -> Iterator[str]:
        """Those of the first trials that do not continue yet, the first one first."""
        best = (self._ids[number] for number in self._sorted().open_among(most))
        yield from (trial_id for trial_id in best if trial_id not in self.promoted)

    def place(self, trial_id: str) -> str:
        """A trial's values and place, in words."""
        place, values = self.rank(trial_id) + 1, self.values[trial_id]
        beyond = f", beyond its bounds by {values.violation:.3g}," if values.violation else ""
        front = f"on front {self._sorted().front(self._numbers[trial_id]) + 1}"
        named = self.objectives or [("", self.mode)]
        losses = zip(named, values.losses, strict=True)
        shown = ", ".join(f"{metric} {_value(loss, mode):.6g}".lstrip() for (metric, mode), loss in losses)
        return f"{shown}{beyond} is number {place} of {len(self.values)}, {front}, at rung {self.epoch}"

    def state(self) -> dict[str, Any]:
        """Its state as JSON values."""
        values = {trial_id: [*one.losses, one.violation] for trial_id, one in self.values.items()}
        return {"values": values, "promoted": list(self.promoted)}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the result of `state`."""
        stored = state["values"].items()
        self.values = {trial_id: ObjectiveValues(tuple(losses), violation) for trial_id, (*losses, violation) in stored}
        self.promoted = dict.fromkeys(state["promoted"])
        self._ids, self._numbers, self._fronts = [], {}, None

    def _sorted(self) -> Fronts:
        """The trials in order, with those that have reported since the last call."""
        if self._fronts is None:
            self._fronts = Fronts(self.factor)
        new = list(islice(reversed(self.values.items()), len(self.values) - len(self._ids)))[::-1]
        for trial_id, _ in new:
            self._numbers[trial_id] = len(self._ids)
            self._ids.append(trial_id)
        if new:
            self._fronts.add((one.losses, one.violation, trial_id not in self.promoted) for trial_id, one in new)
        return self._fronts


def _value(loss: float, mode: Mode) -> float:
    return -loss if mode == "max" else loss
