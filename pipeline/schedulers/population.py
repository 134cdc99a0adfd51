"""A population: trials that exploit each other, explore from there, and share the workers."""

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, ClassVar, TypeAlias

import numpy as np
from pydantic import Field

from pipeline.errors import Fault
from pipeline.schedulers.base import Decision, Scheduler, SchedulerContext, Selection
from pipeline.schedulers.exploration import Explore, changes_text, explore_faults, explored_domains
from pipeline.schedulers.ordered_keys import OrderedKeys
from pipeline.schedulers.settings import SchedulerSettings, beyond_maximum
from pipeline.space import Config, Count, RandomStream, Real, as_drawn, explored_space
from pipeline.trial_ids import draw_order


@dataclass(frozen=True)
class PopulationSettings(SchedulerSettings):
    """Settings of a scheduler with a population."""

    pauses: ClassVar[bool] = True
    exploits: ClassVar[bool] = True
    interval: Count = 1
    quantile: Annotated[Real, Field(ge=0, le=0.5)] = 0.25
    grace_period: Count = 1
    explore: Explore = None

    def faults(self, *, epochs: int, trials: int) -> list[Fault]:
        """A first milestone beyond a trial's maximum is never reached; one trial is not a population."""
        faults = beyond_maximum("interval", self.interval, epochs)
        faults += beyond_maximum("grace_period", self.grace_period, epochs)
        if trials < 2:
            faults.append(Fault("budget.trials", trials, "must be at least 2, because a population has several trials"))
        return faults

    def space_faults(self, space: Mapping[str, Any]) -> list[Fault]:
        """Hyperparameters to explore that the space lacks, and domains beyond those of the space."""
        return explore_faults(space, self.explore)

    def next_milestone(self, epoch: int, epochs: int) -> int:
        """The first interval after the grace period, every interval after it, or the end."""
        first = max(self.interval, self.grace_period)
        return min(max(first, first + ((epoch - first) // self.interval + 1) * self.interval), epochs)


@dataclass(slots=True)
class Member:
    """A trial of the population."""

    config: Config
    state: str = "waiting"
    epoch: int = 0
    score: float | None = None
    source: tuple[str, int] | None = None
    began: float | None = None


_Rank: TypeAlias = tuple[float, int, str]
"""A member's score, signed so that more is better; its number, from 0; and its id."""

_Turn: TypeAlias = tuple[int, int, str, str]
"""A member's own epoch, and the length of its id and the id: the order in which members run."""


class Population(Scheduler, ABC):
    """Trials that exploit each other and explore from there."""

    def __init__(self, settings: PopulationSettings, context: SchedulerContext) -> None:
        self._quantile = settings.quantile
        self._explore = explored_domains(settings.explore)
        self._context = context
        self._members: dict[str, Member] = {}
        self._exploits = 0
        self._running: set[str] = set()
        # Ordered views of the population: searching thousands of members at each milestone is slow. Live members with a
        # score are ordered by merit (the worst first, of equal ones the earlier added), in one view all of them and in
        # another those with their own weights. Waiting members are ordered by their turn.
        self._numbers: dict[str, int] = {}
        self._ranked: OrderedKeys[_Rank] = OrderedKeys()
        self._donors: OrderedKeys[_Rank] = OrderedKeys()
        self._queue: OrderedKeys[_Turn] = OrderedKeys()

    def add(self, trial_id: str, config: Config) -> None:
        """A trial joins the population."""
        if trial_id not in self._members:
            self._join(trial_id, Member(dict(config)))

    def start(self, trial_id: str) -> None:
        """A trial runs from now on."""
        with self._changed(trial_id) as member:
            member.state = "running"

    def on_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Compare a trial with the newest scores of all live trials: exploit, make room for another, or continue."""
        if epoch <= self._members[trial_id].epoch:
            return Decision("continue", f"epoch {epoch} was decided before")
        with self._changed(trial_id) as member:
            member.epoch, member.score, member.source, member.began = epoch, value, (trial_id, epoch), None
            member.state = "running"
        if epoch >= self._context.epochs:
            return Decision("continue", f"{value:.6g} at epoch {epoch}, the last")
        count = len(self._ranked)
        size = self._quantile_size(count)
        place = self._ranked.place(self._rank(trial_id))
        if place < size and (donors := self._better_donors(size, value)):
            cutoff = self._members[self._ranked[size][-1]].score if size < count else None
            return self._exploit(trial_id, donors, f"the lowest {size} of {count} trials", cutoff)
        rank = f"{value:.6g} is number {count - place} of {count} trials at epoch {epoch}"
        if (ahead := self._ahead_of(trial_id)) is not None:
            with self._changed(trial_id):
                member.state = "waiting"
            return Decision("pause", f"{rank}; waits for {ahead}")
        return Decision("continue", f"{rank}; no other trial has to catch up")

    def end(self, trial_id: str, *, completed: bool = False) -> None:
        """A trial leaves the population."""
        with self._changed(trial_id) as member:
            member.state = "ended"

    def limit_trials(self, trials: int) -> None:
        """A trial that is not drawn yet precedes the others only if it can be drawn."""
        self._context = replace(self._context, trials=trials)

    def choose(self, candidates: Collection[str]) -> Selection | None:
        """The trial that has trained the least; trials that are not drawn yet come first."""
        lost = [trial_id for trial_id in self._running if trial_id in candidates]
        # Ended members may wait again; the candidates are searched only if their number shows that there are any.
        back = candidates if len(candidates) != len(self._queue) + len(lost) else lost
        for trial_id in back:
            with self._changed(trial_id) as member:
                member.state = "waiting"
        # A trial that is not drawn yet has trained nothing, so it precedes those that have.
        undrawn = len(self._members) < self._context.trials
        behind = (turn for turn in self._queue if turn[-1] in candidates)
        first = next(behind, None)
        if first is None or (undrawn and first[0]):
            return None
        return Selection(first[-1], "it has trained the least of the waiting trials")

    def needed_checkpoints(self) -> set[tuple[str, int]]:
        """The checkpoints from which live trials have their weights."""
        return {m.source for m in self._members.values() if m.source is not None and m.state != "ended"}

    def state(self) -> dict[str, Any]:
        """The members, and how many exploits there were: each has its own random generator."""
        members = {trial_id: asdict(member) for trial_id, member in self._members.items()}
        for member in members.values():
            member["source"] = None if member["source"] is None else list(member["source"])
        return {"exploits": self._exploits, "members": members}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore a state."""
        self._exploits = state["exploits"]
        self._members, self._numbers, self._running = {}, {}, set()
        self._ranked, self._donors, self._queue = OrderedKeys(), OrderedKeys(), OrderedKeys()
        for trial_id, fields in state["members"].items():
            source = None if fields["source"] is None else (fields["source"][0], fields["source"][1])
            self._join(trial_id, Member(**{**fields, "config": dict(fields["config"]), "source": source}))

    def _merit(self, score: float) -> float:
        return score if self._context.mode == "max" else -score

    def _join(self, trial_id: str, member: Member) -> None:
        self._numbers[trial_id] = len(self._members)
        self._members[trial_id] = member
        self._put(trial_id)

    @contextmanager
    def _changed(self, trial_id: str) -> Iterator[Member]:
        """Remove a member from every order, and insert it again after its change."""
        member = self._members[trial_id]
        for order, key in self._orders(trial_id):
            order.remove(key)
        self._running.discard(trial_id)
        yield member
        self._put(trial_id)

    def _put(self, trial_id: str) -> None:
        for order, key in self._orders(trial_id):
            order.add(key)
        if self._members[trial_id].state == "running":
            self._running.add(trial_id)

    def _orders(self, trial_id: str) -> Iterator[tuple[OrderedKeys[Any], tuple[Any, ...]]]:
        """The orders that contain a member, and its key in each."""
        member = self._members[trial_id]
        if member.state == "waiting":
            yield self._queue, self._turn(trial_id)
        if member.state != "ended" and member.score is not None:
            yield self._ranked, self._rank(trial_id)
            # An exploited trial has no own weights until its next report.
            if member.source == (trial_id, member.epoch):
                yield self._donors, self._rank(trial_id)

    def _rank(self, trial_id: str) -> _Rank:
        score = self._members[trial_id].score
        assert score is not None
        return self._merit(score), self._numbers[trial_id], trial_id

    def _turn(self, trial_id: str) -> _Turn:
        return self._members[trial_id].epoch, *draw_order(trial_id)

    def _quantile_size(self, population: int) -> int:
        """Ray's rule: at least one where the quantile is above 0, and never more than half."""
        return min(math.ceil(population * self._quantile), population // 2)

    def _better_donors(self, size: int, value: float) -> Sequence[_Rank]:
        """Members of the upper `size` that are better than `value` and have their own weights."""
        upper = self._donors.place(self._ranked[len(self._ranked) - size])
        return self._donors[max(upper, self._donors.place((self._merit(value), math.inf))) :]

    def _exploit(self, trial_id: str, donors: Sequence[_Rank], lowest: str, cutoff: float | None) -> Decision:
        rng = np.random.default_rng([self._context.seed, self._exploits, RandomStream.POPULATION])
        self._exploits += 1
        parent = donors[int(rng.integers(len(donors)))][-1]
        taker, donor = self._members[trial_id], self._members[parent]
        config, how = self._explored(donor, rng)
        config = as_drawn(self._context.space, config)
        reason = (
            f"{taker.score:.6g} is among {lowest}; copies trial {parent}, {donor.score:.6g} at its epoch {donor.epoch}"
        )
        before = dict(donor.config)
        with self._changed(trial_id) as member:
            member.config, member.source, member.state = config, donor.source, "waiting"
            member.began = donor.score
        return Decision(
            "exploit",
            reason,
            cutoff=cutoff,
            parent_trial=parent,
            parent_epoch=donor.epoch,
            parent_config=before,
            config=dict(config),
            explored=f"{how}: {changes_text(before, config)}",
        )

    def _space_around(self, config: Config) -> Mapping[str, Any]:
        """The space in which the population explores around a config."""
        space = self._context.space
        return space if self._explore is None else explored_space(space, config, self._explore)

    @abstractmethod
    def _explored(self, donor: Member, rng: np.random.Generator) -> tuple[Config, str]:
        """A config to continue with from a donor's weights, and how it was found."""

    def _ahead_of(self, trial_id: str) -> str | None:
        """The trial that precedes a trial, in words; None if no waiting trial has trained less."""
        if len(self._members) < self._context.trials:
            return "one not yet drawn"
        first = self._queue[0] if len(self._queue) else None
        if first is None or first > self._turn(trial_id):
            return None
        return f"trial {first[-1]} at epoch {first[0]}"
