"""Populations: trials that copy the weights of better ones, explore from there, and share the workers.

PBT explores at random; PB2 learns where to explore.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, Field, StrictStr, TypeAdapter

from pipeline.errors import Fault
from pipeline.machine import one_thread
from pipeline.schedulers.base import (
    Decision,
    ObjectiveValues,
    Scheduler,
    SchedulerContext,
    SchedulerSettings,
    Selection,
)
from pipeline.searchers.curve_process import CurveProcess, Points, Posterior, at_end
from pipeline.space import (
    Config,
    Count,
    Cube,
    RandomStream,
    Real,
    Value,
    best_nearby,
    compose,
    fitting,
    key_of,
    perturb,
    walk,
)
from pipeline.text import draw_order

_Reals: TypeAlias = npt.NDArray[np.float64]

_MAX_GAINS, _MIN_GAINS = 200, 4
"""Number of gains that PB2's process is fitted to, the newest, because the cost is cubic, and old ones mean little; and
the smallest number."""

_STEPS = 20
"""The optimiser's steps in a fit."""

_LARGEST = 1e100
"""Larger objectives count as this one: the squares of their differences would overflow."""

Explore: TypeAlias = Annotated[
    tuple[StrictStr, ...] | None, BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)
]
"""Names of hyperparameters; None for all of the space."""


@dataclass(frozen=True)
class PopulationSettings(SchedulerSettings):
    """Settings of a scheduler with a population.

    Args:
        interval: Epochs between two milestones; at least 1.
        quantile: Share of the population that is replaced, and share whose weights are copied; 0 to 0.5, 0 for none.
        grace_period: Epochs before the first milestone; at least 1.
        explore: Hyperparameters that may change, `["lr"]`; the others keep the values of the trial that is copied. By
            default all may change.
    """

    pauses: ClassVar[bool] = True
    exploits: ClassVar[bool] = True
    interval: Count = 1
    quantile: Annotated[Real, Field(ge=0, le=0.5)] = 0.25
    grace_period: Count = 1
    explore: Explore = None

    def faults(self, *, epochs: int, trials: int) -> list[Fault]:
        faults = super().faults(epochs=epochs, trials=trials)
        if trials < 2:
            faults.append(Fault("budget.trials", trials, "must be at least 2, because a population has several trials"))
        return faults

    def space_faults(self, space: Mapping[str, Any]) -> list[Fault]:
        known = dict.fromkeys(each.name for each in walk(space))
        allowed = f"must name hyperparameters: {', '.join(known)}"
        return [Fault("scheduler.explore", name, allowed) for name in self.explore or () if name not in known]

    def next_milestone(self, epoch: int, epochs: int) -> int:
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
    """The checkpoint with its newest weights: a trial and its epoch."""
    began: float | None = None
    """The donor's score since an exploit, until the first value."""


_MEMBERS = TypeAdapter(dict[str, Member])


class Population(Scheduler, ABC):
    """Trials that exploit each other and explore from there."""

    def __init__(self, settings: PopulationSettings, context: SchedulerContext) -> None:
        self._quantile, self._names, self._context = settings.quantile, settings.explore, context
        self._members: dict[str, Member] = {}
        self._exploits = 0

    def add(self, trial_id: str, config: Config) -> None:
        self._members.setdefault(trial_id, Member(dict(config)))

    def start(self, trial_id: str) -> None:
        self._members[trial_id].state = "running"

    def on_result(self, trial_id: str, epoch: int, value: float, values: ObjectiveValues | None = None) -> Decision:
        """Compare a trial with the newest scores of all live trials: exploit, make room for another, or continue."""
        member = self._members[trial_id]
        if epoch <= member.epoch:
            return Decision("continue", f"epoch {epoch} was decided before")
        member.epoch, member.score, member.source, member.began = epoch, value, (trial_id, epoch), None
        member.state = "running"
        if epoch >= self._context.epochs:
            return Decision("continue", f"{value:.6g} at epoch {epoch}, the last")
        ranked = self._ranked()
        count = len(ranked)
        # Ray's rule: at least one where the quantile is above 0, and never more than half.
        size = min(math.ceil(count * self._quantile), count // 2)
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

    def limit_trials(self, trials: int) -> None:
        self._context = replace(self._context, trials=trials)

    def choose(self, candidates: Collection[str]) -> Selection | None:
        """The trial that has trained the least; trials that are not drawn yet come first."""
        for trial_id in candidates:
            self._members[trial_id].state = "waiting"
        first = min(candidates, key=self._turn, default=None)
        # A trial that is not drawn yet has trained nothing, so it precedes those that have.
        undrawn = len(self._members) < self._context.trials
        if first is None or (undrawn and self._members[first].epoch):
            return None
        return Selection(first, "it has trained the least of the waiting trials")

    def needed_checkpoints(self) -> set[tuple[str, int]]:
        """The checkpoints from which live trials have their weights."""
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
        members = ((trial_id, self._members[trial_id]) for trial_id in upper)
        return [
            trial_id
            for trial_id, one in members
            if one.source == (trial_id, one.epoch) and self._merit(one.score) > self._merit(value)
        ]

    def _exploit(self, trial_id: str, donors: Sequence[str], lowest: int, cutoff: float | None) -> Decision:
        rng = np.random.default_rng([self._context.seed, self._exploits, RandomStream.POPULATION])
        self._exploits += 1
        parent = donors[int(rng.integers(len(donors)))]
        taker, donor = self._members[trial_id], self._members[parent]
        before = dict(donor.config)
        config, how = self._explored(donor, rng)
        copied = f"copies trial {parent}, {donor.score:.6g} at its epoch {donor.epoch}"
        taker.config, taker.source, taker.state, taker.began = config, donor.source, "waiting", donor.score
        return Decision(
            "exploit",
            f"{taker.score:.6g} is among the lowest {lowest}; {copied}",
            cutoff=cutoff,
            parent_trial=parent,
            parent_epoch=donor.epoch,
            parent_config=before,
            config=dict(config),
            explored=f"{how}: {_changes_text(before, config)}",
        )

    @abstractmethod
    def _explored(self, donor: Member, rng: np.random.Generator) -> tuple[Config, str]:
        """A config to continue with from a donor's weights, and how it was found."""

    def _ahead_of(self, trial_id: str) -> str | None:
        """The trial that precedes a trial, in words; None if no waiting trial has trained less."""
        if len(self._members) < self._context.trials:
            return "one not yet drawn"
        waiting = (each for each, one in self._members.items() if one.state == "waiting")
        first = min(waiting, key=self._turn, default=None)
        if first is None or self._turn(first) > self._turn(trial_id):
            return None
        return f"trial {first} at epoch {self._members[first].epoch}"


def _changes_text(before: Mapping[str, Value], after: Mapping[str, Value]) -> str:
    """What differs between two configs."""

    def shown(config: Mapping[str, Value], name: str) -> str:
        value = config.get(name, "absent")
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    names = {**before, **after}
    changed = [n for n in names if n not in before or n not in after or key_of(before[n]) != key_of(after[n])]
    changes = (f"{name} {shown(before, name)} → {shown(after, name)}" for name in changed)
    return ", ".join(changes) or "nothing changes"


@dataclass(frozen=True)
class PBT(PopulationSettings):
    """Population based training (Jaderberg et al. 2017, "Population Based Training of Neural Networks").

    Asynchronous, like Ray's PopulationBasedTraining: a trial that reaches a milestone is compared with the newest
    scores of all live trials. If it is in the lower quantile, it copies the weights of a random trial in the upper
    quantile (exploit) and continues with that trial's config, slightly changed (explore). Ended trials do not take
    part. In addition to Ray's rules, a donor must be strictly better, and trials share the workers so that none runs
    ahead of those that wait.

    Args:
        resample_probability: Probability that a hyperparameter is drawn again instead of multiplied by a factor; 0 to
            1.
        factors: What a hyperparameter is multiplied by, one of them at random; a listed one moves to its next value by
            a factor above 1, else to the previous one.
    """

    title: ClassVar[str] = "population based training"

    resample_probability: Annotated[Real, Field(ge=0, le=1)] = 0.25
    factors: Annotated[tuple[Annotated[Real, Field(gt=0)], ...], Field(min_length=1)] = (1.2, 0.8)
    kind: Literal["pbt"] = field(default="pbt", repr=False)

    def build(self, context: SchedulerContext) -> Scheduler:
        return _PBT(self, context)


class _PBT(Population):
    def __init__(self, settings: PBT, context: SchedulerContext) -> None:
        super().__init__(settings, context)
        self._resample_probability, self._factors = settings.resample_probability, settings.factors

    def _explored(self, donor: Member, rng: np.random.Generator) -> tuple[Config, str]:
        config = perturb(
            self._context.space,
            donor.config,
            rng,
            names=self._names,
            resample_probability=self._resample_probability,
            factors=self._factors,
        )
        factors = " or ".join(f"{factor:g}" for factor in sorted(set(self._factors)))
        return config, f"times {factors}, or resampled"


@dataclass(frozen=True)
class PB2(PopulationSettings):
    """Population based bandits (Parker-Holder et al. 2020, "Provably Efficient Online Hyperparameter Optimization …").

    Exploits like PBT. Where PBT explores at random, it fits a Gaussian process to the gain of each interval, by the
    epoch, the objective before and the config in force, and takes the config with the highest upper confidence bound
    for a donor of this age and value. Configs that others have just started count as explored. Choices and switches are
    axes of the same process. For small populations, and for hyperparameters that matter during training.

    Args:
        candidates: Number of configs among which the one with the highest upper confidence bound is chosen; at least 1.
    """

    title: ClassVar[str] = "population based bandits"

    candidates: Count = 500
    kind: Literal["pb2"] = field(default="pb2", repr=False)

    def build(self, context: SchedulerContext) -> Scheduler:
        return _PB2(self, context)


class _Gain(NamedTuple):
    """The gain of an interval."""

    epoch: int
    before: float
    config: Config
    gain: float


class _PB2(Population):
    def __init__(self, settings: PB2, context: SchedulerContext) -> None:
        super().__init__(settings, context)
        self._candidates = settings.candidates
        self._gains: list[_Gain] = []
        # The user may have accepted changed domains since configs were drawn.
        self._fits = fitting(context.space)

    def on_result(self, trial_id: str, epoch: int, value: float, values: ObjectiveValues | None = None) -> Decision:
        member = self._members[trial_id]
        if member.source is not None and epoch > member.epoch and self._fits(member.config):
            # After an exploit the member's score is that of its old weights; the donor's score is the start.
            before = self._value(member.score if member.began is None else member.began)
            gain = (self._value(value) - before) / (epoch - member.epoch)
            self._gains = [*self._gains, _Gain(epoch, before, dict(member.config), gain)][-_MAX_GAINS:]
        return super().on_result(trial_id, epoch, value, values)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "gains": [list(one) for one in self._gains]}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        gains = [_Gain(*fields) for fields in state["gains"]]
        self._gains = [one for one in gains if self._fits(one.config)]

    def _explored(self, donor: Member, rng: np.random.Generator) -> tuple[Config, str]:
        space, known = self._context.space, len(self._gains)
        # What the space no longer has is drawn.
        start = compose(
            space, lambda each: donor.config[each.name] if each.has_value(donor.config) else each.domain.draw(rng)
        )
        cube = Cube(space, start, self._names)
        with one_thread():
            bound = self._bound(cube, donor) if known >= _MIN_GAINS else None
            if bound is None or not cube.sides:
                near = cube.neighbours(cube.units([start]), 0.1, rng)
                return cube.config(near[0]), f"near the donor's, with {known} gains to learn from"
            config = best_nearby(cube, cube.units([start]), bound, candidates=self._candidates, rng=rng)
        return config, f"highest bound on the gain of an epoch, after {known} gains"

    def _bound(self, cube: Cube, donor: Member) -> Any:
        """The upper confidence bound on a donor's gain as a function of configs' points."""
        score = self._value(donor.score)
        x = self._points(cube, [(one.epoch, one.before) for one in self._gains], [one.config for one in self._gains])
        gains = np.array([one.gain for one in self._gains])
        gains = np.clip((gains - gains.mean()) / (gains.std() or 1.0), -2, 2)
        # Epoch and objective have an axis each, before those of the config.
        process, known = CurveProcess(np.concatenate([[0, 1], cube.groups + 2])), at_end(x)
        posterior = Posterior(process, process.fit(known, gains, _STEPS), known, gains)
        # The variance does not depend on values: configs that others have just started count as explored.
        started = [m.config for m in self._members.values() if m.state != "ended" and m.began is not None]
        if started := [config for config in started if self._fits(config)]:
            now = self._points(cube, [(donor.epoch, score)] * len(started), started)
            posterior.believe(Points(now, np.ones(len(now)), np.arange(len(now))))
        width = math.sqrt(0.2 + max(0.0, math.log(0.4 * len(x))))

        def bound(points: _Reals) -> _Reals:
            start = np.repeat(self._scaled([(donor.epoch, score)]), len(points), axis=0)
            mean, deviation = posterior.predict(at_end(np.hstack([start, points])))
            return mean + width * deviation

        return bound

    def _value(self, score: float | None) -> float:
        return min(max(self._merit(score), -_LARGEST), _LARGEST)

    def _points(self, cube: Cube, before: Sequence[tuple[int, float]], configs: Sequence[Config]) -> _Reals:
        return np.hstack([self._scaled(before), cube.points(cube.units(configs))])

    def _scaled(self, before: Sequence[tuple[int, float]]) -> _Reals:
        """Epochs and objectives scaled to 0 to 1 over the known gains, a row each."""
        values = np.array([one.before for one in self._gains])
        low, width = values.min(), (values.max() - values.min()) or 1.0
        epochs, objectives = np.array(before, float).T
        return np.column_stack([epochs / self._context.epochs, np.clip((objectives - low) / width, -1, 2)])
