"""Population based training: trials copy the weights of better ones, explore from there, and share the workers."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, StrictStr, TypeAdapter

from pipeline.errors import Fault
from pipeline.schedulers.base import (
    Decision,
    ObjectiveValues,
    Scheduler,
    SchedulerContext,
    SchedulerSettings,
)
from pipeline.space import Config, Count, RandomStream, Real, key_of, perturb, walk
from pipeline.text import draw_order


@dataclass(frozen=True)
class PBT(SchedulerSettings):
    """Population based training (Jaderberg et al. 2017, "Population Based Training of Neural Networks").

    Asynchronous, like Ray's PopulationBasedTraining: a trial that reaches a milestone is compared with the newest
    scores of all live trials. If it is in the lower quantile, it copies the weights of a random trial in the upper
    quantile (exploit) and continues with that trial's config, slightly changed (explore). Ended trials do not take
    part. In addition to Ray's rules, a donor must be strictly better, and trials share the workers so that none runs
    ahead of those that wait.

    Args:
        interval: Epochs between two milestones; at least 1.
        quantile: Share of the population that is replaced, and share whose weights are copied; 0 to 0.5, 0 for none.
        grace_period: Epochs before the first milestone; at least 1.
        explore: Hyperparameters that may change, `["lr"]`; the others keep the values of the trial that is copied. By
            default all may change.
        resample_probability: Probability that a hyperparameter is drawn again instead of multiplied by a factor; 0 to
            1.
        factors: What a hyperparameter is multiplied by, one of them at random; a listed one moves to its next value by
            a factor above 1, else to the previous one.
    """

    title: ClassVar[str] = "population based training"
    pauses: ClassVar[bool] = True
    exploits: ClassVar[bool] = True
    interval: Count = 1
    quantile: Annotated[Real, Field(ge=0, le=0.5)] = 0.25
    grace_period: Count = 1
    explore: tuple[StrictStr, ...] | None = None
    resample_probability: Annotated[Real, Field(ge=0, le=1)] = 0.25
    factors: Annotated[tuple[Annotated[Real, Field(gt=0)], ...], Field(min_length=1)] = (1.2, 0.8)
    kind: Literal["pbt"] = field(default="pbt", repr=False)

    def space_faults(self, space: Mapping[str, Any]) -> list[Fault]:
        known = dict.fromkeys(each.name for each in walk(space))
        allowed = f"must name hyperparameters: {', '.join(known)}"
        return [Fault("scheduler.explore", name, allowed) for name in self.explore or () if name not in known]

    def next_milestone(self, epoch: int, epochs: int) -> int:
        first = max(self.interval, self.grace_period)
        return min(max(first, first + ((epoch - first) // self.interval + 1) * self.interval), epochs)

    def build(self, context: SchedulerContext) -> Scheduler:
        return _Population(self, context)


@dataclass(slots=True)
class _Member:
    """A trial of the population."""

    config: Config
    state: Literal["waiting", "running", "ended"] = "waiting"
    epoch: int = 0
    score: float | None = None
    source: tuple[str, int] | None = None
    """The checkpoint with its newest weights: a trial and its epoch."""


_MEMBERS = TypeAdapter(dict[str, _Member])


class _Population(Scheduler):
    """Trials that exploit each other and explore from there."""

    def __init__(self, settings: PBT, context: SchedulerContext) -> None:
        self._settings, self._context, self.trials = settings, context, context.trials
        self._members: dict[str, _Member] = {}
        self._exploits = 0

    def add(self, trial_id: str, config: Config) -> None:
        self._members.setdefault(trial_id, _Member(dict(config)))

    def start(self, trial_id: str) -> None:
        self._members[trial_id].state = "running"

    def on_result(self, trial_id: str, epoch: int, value: float, values: ObjectiveValues | None = None) -> Decision:
        """Compare a trial with the newest scores of all live trials: exploit, make room for another, or continue."""
        member = self._members[trial_id]
        if epoch <= member.epoch:
            return Decision("continue", f"epoch {epoch} was decided before")
        member.epoch, member.score, member.source = epoch, value, (trial_id, epoch)
        member.state = "running"
        if epoch >= self._context.epochs:
            return Decision("continue", f"{value:.6g} at epoch {epoch}, the last")
        ranked = self._ranked()
        count = len(ranked)
        # Ray's rule: at least one where the quantile is above 0, and never more than half.
        size = min(math.ceil(count * self._settings.quantile), count // 2)
        place = ranked.index(trial_id)
        if place < size and (donors := self._better_donors(ranked[count - size :], value)):
            return self._exploit(trial_id, donors, size, self._members[ranked[size]].score)
        rank = f"{value:.6g} is number {count - place} of {count} trials at epoch {epoch}"
        if (ahead := self._ahead_of(trial_id)) is not None:
            member.state = "waiting"
            return Decision("pause", f"{rank}; waits for {ahead}")
        return Decision("continue", f"{rank}; no other trial has to catch up")

    def end(self, trial_id: str, *, completed: bool = False) -> None:
        self._members[trial_id].state = "ended"

    def choose(self, candidates: Collection[str]) -> Decision | None:
        """The trial that has trained the least; trials that are not drawn yet come first."""
        for trial_id in candidates:
            self._members[trial_id].state = "waiting"
        first = min(candidates, key=self._turn, default=None)
        # A trial that is not drawn yet has trained nothing, so it precedes those that have.
        undrawn = len(self._members) < self.trials
        if first is None or (undrawn and self._members[first].epoch):
            return None
        return Decision("resume", "it has trained the least of the waiting trials", trial_id=first)

    def needed_checkpoints(self) -> set[tuple[str, int]]:
        return {m.source for m in self._members.values() if m.source is not None and m.state != "ended"}

    def state(self) -> dict[str, Any]:
        """The members, and how many exploits there were: each has its own random generator."""
        return {"exploits": self._exploits, "members": _MEMBERS.dump_python(self._members, mode="json")}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._exploits, self._members = state["exploits"], _MEMBERS.validate_python(state["members"])

    def _merit(self, score: float | None) -> float:
        assert score is not None
        return score if self._context.mode == "max" else -score

    def _ranked(self) -> list[str]:
        """The live trials with a value, the worst first, of equal ones the earlier added."""
        live = [each for each, one in self._members.items() if one.state != "ended" and one.score is not None]
        return sorted(live, key=lambda trial_id: self._merit(self._members[trial_id].score))

    def _turn(self, trial_id: str) -> tuple[Any, ...]:
        return self._members[trial_id].epoch, *draw_order(trial_id)

    def _better_donors(self, upper: Sequence[str], value: float) -> list[str]:
        """Those of the upper trials that are better than a value, and have weights of their own."""
        better = (each for each in upper if self._merit(self._members[each].score) > self._merit(value))
        return [each for each in better if self._members[each].source == (each, self._members[each].epoch)]

    def _exploit(self, trial_id: str, donors: Sequence[str], lowest: int, cutoff: float | None) -> Decision:
        rng = np.random.default_rng([self._context.seed, self._exploits, RandomStream.POPULATION])
        self._exploits += 1
        parent = donors[int(rng.integers(len(donors)))]
        taker, donor, settings = self._members[trial_id], self._members[parent], self._settings
        taker.config = perturb(
            self._context.space,
            donor.config,
            rng,
            names=settings.explore,
            resample_probability=settings.resample_probability,
            factors=settings.factors,
        )
        taker.source, taker.state = donor.source, "waiting"
        factors = " or ".join(f"{factor:g}" for factor in sorted(set(settings.factors)))
        changed = [name for name, value in taker.config.items() if key_of(value) != key_of(donor.config.get(name))]
        copied = f"copies trial {parent}, {donor.score:.6g} at its epoch {donor.epoch}"
        return Decision(
            "exploit",
            f"{taker.score:.6g} is among the lowest {lowest}; {copied}",
            cutoff=cutoff,
            parent_trial=parent,
            parent_epoch=donor.epoch,
            parent_config=dict(donor.config),
            config=dict(taker.config),
            explored=f"times {factors}, or resampled: {', '.join(changed) or 'nothing changes'}",
        )

    def _ahead_of(self, trial_id: str) -> str | None:
        """The trial that precedes a trial, in words; None if no waiting trial has trained less."""
        if len(self._members) < self.trials:
            return "one not yet drawn"
        waiting = (each for each, one in self._members.items() if one.state == "waiting")
        first = min(waiting, key=self._turn, default=None)
        if first is None or self._turn(first) > self._turn(trial_id):
            return None
        return f"trial {first} at epoch {self._members[first].epoch}"
