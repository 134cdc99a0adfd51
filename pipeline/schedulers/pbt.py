"""Population based training: trials take over the weights of better ones while they train."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from pipeline.errors import Fault
from pipeline.schedulers.base import Chosen, Decision, Scheduler, SchedulerSettings, Setting, earliest
from pipeline.space import Config, perturb
from pipeline.space.values import Count, Real, Scalar

__all__ = ["PBT", "Member", "Population", "PopulationSettings"]

_STREAM = 7
"""Keeps these draws apart from the searcher's, which come from (seed, index)."""


@dataclass(frozen=True)
class PopulationSettings(SchedulerSettings):
    """Settings of a scheduler with a population.

    Args:
        interval: Epochs between two milestones; at least 1.
        quantile: Part of the population that is lowest, and that is uppermost; 0 to 0.5, 0 for no exploit.
    """

    pauses: ClassVar[bool] = True
    exploits: ClassVar[bool] = True
    interval: Count = 1
    quantile: Annotated[Real, Field(ge=0, le=0.5)] = 0.25

    def faults(self, *, epochs: int, trials: int) -> list[Fault]:
        """An interval beyond a trial's maximum would never be reached; one trial is no population."""
        faults = []
        if self.interval > epochs:
            allowed = f"must be at most budget.epochs, which is {epochs}"
            faults.append(Fault("scheduler.interval", self.interval, allowed))
        if trials < 2:
            faults.append(Fault("budget.trials", trials, "must be at least 2: a population"))
        return faults

    def next_milestone(self, epoch: int, epochs: int) -> int:
        """The next multiple of the interval, or the end."""
        return min((epoch // self.interval + 1) * self.interval, epochs)


@dataclass(frozen=True)
class PBT(PopulationSettings):
    """Population based training (Jaderberg et al. 2017, "Population Based Training of Neural Networks").

    Asynchronous, as Ray's PopulationBasedTraining has it: whoever reaches a milestone is compared with the newest
    scores of all live trials. One in the lower quantile takes over the weights of a random one in the upper quantile
    (exploit) and goes on with that one's config, changed a little (explore). Trials that ended are out of it. Beyond
    Ray: a donor has to be strictly better, and trials share the workers so that none runs ahead of those that wait.

    Args:
        interval: Epochs between two milestones; at least 1.
        quantile: Part of the population that is lowest, and that is uppermost; 0 to 0.5, 0 for no exploit.
        resample_probability: How likely a parameter is drawn anew instead of multiplied by 0.8 or 1.2; 0 to 1.
    """

    resample_probability: Annotated[Real, Field(ge=0, le=1)] = 0.25
    kind: Literal["pbt"] = field(default="pbt", repr=False)

    def build(self, setting: Setting) -> Scheduler:
        """The state machine for a study."""
        return _PBT(self, setting)


@dataclass(slots=True)
class Member:
    """A trial of the population.

    Args:
        config: The config in force.
        state: waiting (paused included), running or ended.
        epoch: Its own epoch at its last milestone; 0 before the first.
        score: The objective at that milestone.
        source: The checkpoint its weights go on from, trial and epoch: its own last milestone's, or since an exploit
            another trial's; None before the first.
        began: Since an exploit, the donor's score: what the weights were worth that the interval began with.
    """

    config: Config
    state: str = "waiting"
    epoch: int = 0
    score: float | None = None
    source: tuple[str, int] | None = None
    began: float | None = None


class Population(Scheduler, ABC):
    """Trials that exploit each other and explore from there.

    Args:
        quantile: Part of the population that is lowest, and that is uppermost.
        setting: The study.
    """

    def __init__(self, quantile: float, setting: Setting) -> None:
        self._quantile = quantile
        self._setting = setting
        self._members: dict[str, Member] = {}
        self._exploits = 0

    def add(self, trial_id: str, config: Config) -> None:
        """A trial joins the population."""
        self._members.setdefault(trial_id, Member(dict(config)))

    def start(self, trial_id: str) -> None:
        """A trial runs from now on."""
        self._members[trial_id].state = "running"

    def report(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Compare with the newest scores of all live trials: exploit, make room for another, or go on."""
        member = self._members[trial_id]
        if epoch <= member.epoch:
            return Decision("continue", f"epoch {epoch} was decided before")
        member.epoch, member.score, member.source, member.began = epoch, value, (trial_id, epoch), None
        if epoch >= self._setting.epochs:
            return Decision("continue", f"{value:.6g} at epoch {epoch}, the last")
        ranking = self._ranking()
        size = self._quantile_size(len(ranking))
        place = ranking.index(trial_id)
        if place < size and (donors := self._donors(ranking[len(ranking) - size :], value)):
            cutoff = self._score(ranking[size]) if size < len(ranking) else None
            return self._exploit(trial_id, donors, f"the lowest {size} of {len(ranking)} trials", cutoff)
        rank = f"{value:.6g} is number {len(ranking) - place} of {len(ranking)} trials at epoch {epoch}"
        member.state = "waiting"
        if (ahead := self._first_to_run()) != trial_id:
            waits = "one not yet drawn" if ahead is None else f"trial {ahead} at epoch {self._members[ahead].epoch}"
            return Decision("pause", f"{rank}; makes room for {waits}")
        member.state = "running"
        return Decision("continue", f"{rank}; no other trial has to catch up")

    def end(self, trial_id: str) -> None:
        """A trial leaves the population."""
        self._members[trial_id].state = "ended"

    def choose(self, candidates: Sequence[str]) -> Chosen | None:
        """Whoever has trained the least, those first that are still to be drawn."""
        for trial_id in candidates:
            self._members[trial_id].state = "waiting"
        # A trial that is still to be drawn has trained nothing, so it comes before those that have.
        undrawn = len(self._members) < self._setting.trials
        behind = [trial_id for trial_id in candidates if not (undrawn and self._members[trial_id].epoch)]
        first = min(behind, key=self._turn, default=None)
        return None if first is None else Chosen(first, "no other that waits has trained less")

    def needed(self) -> set[tuple[str, int]]:
        """The checkpoints that live trials have their weights from."""
        return {m.source for m in self._members.values() if m.source is not None and m.state != "ended"}

    def state(self) -> dict[str, Any]:
        """The members, and how many exploits there were: each has a random generator of its own."""
        members = {trial_id: asdict(member) for trial_id, member in self._members.items()}
        for member in members.values():
            member["source"] = None if member["source"] is None else list(member["source"])
        return {"exploits": self._exploits, "members": members}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a state."""
        self._exploits = state["exploits"]
        self._members = {
            trial_id: Member(
                config=dict(member["config"]),
                state=member["state"],
                epoch=member["epoch"],
                score=member["score"],
                source=None if member["source"] is None else (member["source"][0], member["source"][1]),
                began=member["began"],
            )
            for trial_id, member in state["members"].items()
        }

    def _score(self, trial_id: str) -> float:
        score = self._members[trial_id].score
        return -math.inf if score is None else score

    def _merit(self, score: float) -> float:
        return score if self._setting.mode == "max" else -score

    def _ranking(self) -> list[str]:
        """Live trials with a score, the worst first; of equal ones the earlier added first."""
        live = [i for i, m in self._members.items() if m.state != "ended" and m.score is not None]
        return sorted(live, key=lambda trial_id: self._merit(self._score(trial_id)))

    def _quantile_size(self, population: int) -> int:
        """Ray's rule: at least one where the quantile is above 0, and never more than half."""
        return min(math.ceil(population * self._quantile), population // 2)

    def _donors(self, upper: Sequence[str], value: float) -> list[str]:
        """Those better than `value` whose weights are their own: an exploited trial has none until its next report."""
        return [
            trial_id
            for trial_id in upper
            if self._merit(self._score(trial_id)) > self._merit(value)
            and self._members[trial_id].source == (trial_id, self._members[trial_id].epoch)
        ]

    def _exploit(self, trial_id: str, donors: Sequence[str], lowest: str, cutoff: float | None) -> Decision:
        rng = np.random.default_rng([self._setting.seed, self._exploits, _STREAM])
        self._exploits += 1
        member, parent = self._members[trial_id], donors[int(rng.integers(len(donors)))]
        donor = self._members[parent]
        config, how = self._explored(donor, rng)
        reason = (
            f"{self._score(trial_id):.6g} is among {lowest}; takes over trial {parent}, {self._score(parent):.6g} at "
            f"its epoch {donor.epoch}"
        )
        before = dict(donor.config)
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
            explored=f"{how}: {_changes(before, config)}",
        )

    @abstractmethod
    def _explored(self, donor: Member, rng: np.random.Generator) -> tuple[Config, str]:
        """A config to go on with from a donor's weights, and how it was found."""

    def _turn(self, trial_id: str) -> tuple[int, tuple[int, str]]:
        return self._members[trial_id].epoch, earliest(trial_id)

    def _first_to_run(self) -> str | None:
        """Whose turn it is among those that wait; None for a trial that is still to be drawn."""
        if len(self._members) < self._setting.trials:
            return None
        return min((i for i, m in self._members.items() if m.state == "waiting"), key=self._turn)


class _PBT(Population):
    def __init__(self, settings: PBT, setting: Setting) -> None:
        super().__init__(settings.quantile, setting)
        self._resample_probability = settings.resample_probability

    def _explored(self, donor: Member, rng: np.random.Generator) -> tuple[Config, str]:
        space, anew = self._setting.space, self._resample_probability
        return perturb(space, donor.config, rng, resample_probability=anew), "times 0.8 or 1.2, or drawn anew"


def _changes(before: Mapping[str, Scalar], after: Mapping[str, Scalar]) -> str:
    """What exploring did to each parameter, in words."""
    told = []
    for name, value in after.items():
        old = before.get(name)
        if name not in before:
            told.append(f"{name} {_short(value)}, new")
        elif value == old:
            told.append(f"{name} stays {_short(value)}")
        else:
            told.append(f"{name} {_short(old)} → {_short(value)}")
    return ", ".join([*told, *(f"{name} falls away" for name in before if name not in after)])


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
