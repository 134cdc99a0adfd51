"""Rungs: epochs that grow by a factor, at which trials are compared and a fixed share of them continues."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain, count, islice, takewhile
from typing import Annotated, Any, Self, TypeAlias

from pydantic import Field

from pipeline.errors import Fault
from pipeline.schedulers.base import Mode
from pipeline.schedulers.ordered_keys import OrderedKeys
from pipeline.schedulers.settings import SchedulerSettings, beyond_maximum
from pipeline.space import Count, Real

_MEASURED_FACTOR, _MEASURED_SHARE = 3.5, 0.06
"""The growth from rung to rung, and the first rung as a share of a trial's epochs: the best ones in simulations over
the recorded learning curves of `make bench-answers`."""


@dataclass(frozen=True)
class RungSettings(SchedulerSettings):
    """Settings of a scheduler with rungs."""

    grace_period: Count = 1
    reduction_factor: Annotated[Real, Field(ge=1.01)] = 2.0

    def faults(self, *, epochs: int, trials: int) -> list[Fault]:
        """A first rung beyond a trial's maximum is never reached."""
        return beyond_maximum("grace_period", self.grace_period, epochs)

    def next_milestone(self, epoch: int, epochs: int) -> int:
        """The next rung, or the end."""
        return next((rung for rung in rungs(self.grace_period, self.reduction_factor, epochs) if rung > epoch), epochs)


@dataclass(frozen=True)
class MeasuredRungSettings(SchedulerSettings):
    """Settings of a scheduler for which rungs were measured: these are the defaults."""

    grace_period: Count | None = None
    reduction_factor: Annotated[Real, Field(ge=1.01)] | None = None

    @property
    def factor(self) -> float:
        """The reduction factor, the measured one unless it is given."""
        return self.reduction_factor or _MEASURED_FACTOR

    def rungs(self, epochs: int) -> tuple[int, ...]:
        """The rungs below a trial's maximum."""
        return rungs(self._grace_period(epochs), self.factor, epochs)

    def faults(self, *, epochs: int, trials: int) -> list[Fault]:
        """A first rung beyond a trial's maximum is never reached."""
        return [] if self.grace_period is None else beyond_maximum("grace_period", self.grace_period, epochs)

    def next_milestone(self, epoch: int, epochs: int) -> int:
        """The next rung, or the end."""
        return next((rung for rung in self.rungs(epochs) if rung > epoch), epochs)

    def resolved(self, epochs: int, before: SchedulerSettings | None = None) -> Self:
        """The settings with rungs as numbers: those of the study, else the measured ones for the epochs."""
        resolved = replace(self, grace_period=self._grace_period(epochs), reduction_factor=self.factor)
        if not isinstance(before, type(self)):
            return resolved
        return replace(
            resolved,
            grace_period=self.grace_period or before.grace_period or resolved.grace_period,
            reduction_factor=self.reduction_factor or before.factor,
        )

    def _grace_period(self, epochs: int) -> int:
        return self.grace_period or max(1, round(_MEASURED_SHARE * epochs))


@lru_cache
def rungs(grace_period: int, reduction_factor: float, epochs: int) -> tuple[int, ...]:
    """Epochs at which trials are compared: the milestones below a trial's maximum, rounded up."""
    epochs_of_rungs: list[int] = []
    milestone, power = float(grace_period), 0
    while math.ceil(milestone) < epochs:
        if not epochs_of_rungs or math.ceil(milestone) > epochs_of_rungs[-1]:
            epochs_of_rungs.append(math.ceil(milestone))
        power += 1
        milestone = grace_period * reduction_factor**power
    return tuple(epochs_of_rungs)


@lru_cache
def divided_rungs(max_epochs: int, reduction_factor: float, epochs: int) -> tuple[int, ...]:
    """Rungs from a maximum down, as Hyperband has them: divided by powers of the factor, and rounded to
    whole epochs.
    """
    divisions = next(power for power in count() if max_epochs / reduction_factor ** (power + 1) < 1)
    below = (max_epochs / reduction_factor**power for power in range(divisions, 0, -1))
    above = (max_epochs * reduction_factor**power for power in count())
    whole = (math.floor(milestone + 0.5) for milestone in chain(below, above))
    return tuple(dict.fromkeys(takewhile(lambda epoch: epoch < epochs, whole)))


_Key: TypeAlias = tuple[float, int, str]
"""The rank of a trial: its value, so that less is better; the number of trials that came before it; and its id."""


@dataclass(slots=True)
class Rung:
    """The values that were reported at one epoch, and the trials that continue from there."""

    epoch: int
    mode: Mode
    values: dict[str, float] = field(default_factory=dict)
    promoted: dict[str, None] = field(default_factory=dict)
    _ranked: OrderedKeys[_Key] = field(default_factory=OrderedKeys)
    _open: OrderedKeys[_Key] = field(default_factory=OrderedKeys)
    _keys: dict[str, _Key] = field(default_factory=dict)

    @property
    def ranking(self) -> list[str]:
        """Its trials, the best first; of equal ones the earlier first."""
        self._rank()
        return [key[-1] for key in self._ranked]

    def rank(self, trial_id: str) -> int:
        """The number of trials that are better than a trial, or equal and earlier."""
        self._rank()
        return self._ranked.place(self._keys[trial_id])

    def value_at(self, rank: int) -> float:
        """The value of the trial at a rank."""
        self._rank()
        return self.values[self._ranked[rank][-1]]

    def promote(self, trial_id: str) -> None:
        """Let a trial continue from here."""
        self._rank()
        if trial_id not in self.promoted:
            self.promoted[trial_id] = None
            self._open.remove(self._keys[trial_id])

    def held(self, most: int) -> Iterator[str]:
        """Those of the best trials that do not continue yet, the best first."""
        self._rank()
        for key in self._open:
            if self._ranked.place(key) >= most:
                return
            yield key[-1]

    def place(self, trial_id: str) -> str:
        """A trial's value and rank, in words."""
        place, value = self.rank(trial_id) + 1, self.values[trial_id]
        return f"{value:.6g} is number {place} of {len(self.values)} at rung {self.epoch}"

    def _rank(self) -> None:
        """Insert the trials that have reported since the last call: sorting for each query would take minutes."""
        new = len(self.values) - len(self._keys)
        for trial_id in reversed(list(islice(reversed(self.values), new))):
            loss = -self.values[trial_id] if self.mode == "max" else self.values[trial_id]
            key = self._keys[trial_id] = (loss, len(self._keys), trial_id)
            self._ranked.add(key)
            if trial_id not in self.promoted:
                self._open.add(key)

    def state(self) -> dict[str, Any]:
        """Its state as JSON values."""
        return {"values": dict(self.values), "promoted": list(self.promoted)}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the result of `state`."""
        self.values, self.promoted = dict(state["values"]), dict.fromkeys(state["promoted"])
        self._ranked, self._open, self._keys = OrderedKeys(), OrderedKeys(), {}
