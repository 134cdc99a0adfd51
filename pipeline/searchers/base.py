"""The protocol of searchers: settings that a user writes, the draw, and what it learns from.

A draw is a function of the seed, the config's number and earlier observations. It has no state: a study keeps its
observations, so a resumed study draws the configs that it would have drawn without the interruption. Grid, random and
Sobol search use only the first two, so that config i does not depend on the number of workers or on earlier trials.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipeline.errors import Fault, InvalidJob
from pipeline.space import Config, Cube, OpenSettings, Settings, Switch, drawn_parameters, walk

AnySpace: TypeAlias = Mapping[str, Any]

MAX_OBSERVATIONS = 1000
"""Number of observations from which a searcher learns at most: with more, each draw would take longer than the last."""

EARLY = "Drawn at random, like every second config before enough trials have reached their last epoch."

_EARLIEST = 0.05
"""The earliest epoch at which trials are compared, as a share of their maximum: earlier ones say too little."""


@dataclass(frozen=True)
class Observation:
    """A config that was tried, or is being tried."""

    config: Config
    state: Literal["open", "failed", "known"]
    loss: float | None = None
    curve: Sequence[tuple[int, float]] = ()
    trial_id: str = ""
    ended: bool = False
    losses: Sequence[float] = ()
    violation: float = 0.0
    milestone_values: Sequence[tuple[int, Sequence[float], float]] = ()
    cache: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What searchers have computed from its config, so that each draw does not compute it again."""

    @property
    def reach(self) -> float:
        """The last epoch at which its loss is known: 0 without a loss, infinity if the loss is final."""
        if self.loss is not None and (self.ended or not self.curve):
            return math.inf
        return self.curve[-1][0] if self.curve else 0


class History(list[Observation]):
    """The observations of a study in the order of its trials, from which some are chosen without looking at all."""

    def __init__(self, observations: Iterable[Observation] = ()) -> None:
        super().__init__()
        self._ranked: list[tuple[float, float, int]] = []
        self._open: set[int] = set()
        for one in observations:
            self.append(one)

    def append(self, one: Observation) -> None:
        super().append(one)
        self._enter(len(self) - 1)

    def replace(self, number: int, one: Observation) -> None:
        if (key := self._key(number)) is not None:
            del self._ranked[bisect_left(self._ranked, key)]
        self._open.discard(number)
        self[number] = one
        self._enter(number)

    def chosen(self, *, best: int = 0, newest: int = 0) -> list[Observation]:
        """The observations to learn from: all, or some if there are more than MAX_OBSERVATIONS.

        Those of running trials are always among them, because no similar config is tried at the same time.
        """
        count = len(self)
        if count <= MAX_OBSERVATIONS:
            return list(self)
        numbers = {number for *_, number in self._ranked[:best]} | set(range(count - newest, count)) | self._open
        left = max(0, MAX_OBSERVATIONS - len(numbers))
        numbers.update(np.linspace(0, count - 1, left).astype(int).tolist())
        return [self[number] for number in sorted(numbers)]

    def _enter(self, number: int) -> None:
        if self[number].state == "open":
            self._open.add(number)
        if (key := self._key(number)) is not None:
            insort(self._ranked, key)

    def _key(self, number: int) -> tuple[float, float, int] | None:
        one = self[number]
        return None if one.state != "known" or one.loss is None else (-one.reach, one.loss, number)


def units_of(cube: Cube, tried: Sequence[Observation]) -> npt.NDArray[np.float64]:
    """The places of observations in a cube, each computed once: that of a listed or a quantised value takes time."""
    missing = [one for one in tried if (kept := one.cache.get("unit")) is None or kept[0] is not cube.space]
    for one, unit in zip(missing, cube.units([one.config for one in missing]), strict=True):
        one.cache["unit"] = cube.space, unit
    return np.array([one.cache["unit"][1] for one in tried]).reshape(len(tried), cube.sides)


def at_one_rung(
    space: AnySpace, observations: Sequence[Observation], *, epochs: int, startup: int
) -> tuple[list[Observation], bool]:
    """The observations that can be compared, and whether they are compared before their last epoch.

    A loss at epoch 2 cannot be compared with one at epoch 50; a model of both would imitate configs that were lucky
    early. As in BOHB (Falkner et al. 2018), a model uses the highest rung alone that enough trials have reached. While
    that is not the last epoch, every second config is drawn at random: configs that are good early are not always good
    late, and without random draws, all draws would be near them.
    """
    valued = [one for one in observations if one.state != "failed"]
    rungs = sorted({epoch for one in valued for epoch, _ in one.curve})
    late = [epoch for epoch in rungs if epoch >= _EARLIEST * epochs]
    if len(rungs) < 2 and len(late) == len(rungs):
        return list(observations), False
    wanted = max(startup, 3 + len(drawn_parameters(space)))
    # Trials that ended by themselves have reached the last epoch, too, whatever the ends of others look like.
    reaches = sorted(one.reach for one in valued)
    enough = (at for at in (epochs, *reversed(late)) if len(reaches) - bisect_left(reaches, at) >= wanted)
    rung = next(enough, min(late, default=math.inf))
    comparable = []
    for one in observations:
        if one.state != "failed" and one.reach >= rung:
            comparable.append(_until(one, rung))
        elif one.state != "known":
            comparable.append(one)
    return comparable, rung < epochs


def _until(one: Observation, rung: float) -> Observation:
    """A trial as if it had ended at a rung: its best loss, and the last values of all objectives."""
    losses = [loss for epoch, loss in one.curve if epoch <= rung]
    # The best epoch may lie between two milestones.
    whole = not one.curve or (one.state == "known" and one.curve[-1][0] <= rung)
    # In a bracket that begins later, the first milestone is beyond the rung.
    values = [at for at in one.milestone_values if at[0] <= rung] or one.milestone_values[:1]
    _, of_all, violation = values[-1] if values else (0, one.losses, one.violation)
    loss = one.loss if whole else min(losses, default=one.curve[0][1])
    return replace(one, state="known", loss=loss, losses=of_all, violation=violation)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A config to try next."""

    config: Config
    reason: str = "Drawn by the searcher."


class SearcherSettings(Settings):
    """The settings of a searcher."""

    learns: ClassVar[bool] = False
    """Whether its draws depend on earlier trials."""

    def faults(self, space: AnySpace) -> list[Fault]:
        """What makes this searcher unfit for a space; empty if it fits."""
        return []

    def size(self, space: AnySpace) -> int | None:
        """The number of configs that can be drawn; None if it is infinite."""
        return None

    def suggest(self, space: AnySpace, *, seed: int, index: int, history: History, epochs: int) -> Suggestion:
        """Draw a config of a study, with a reason.

        Args:
            space: The space.
            seed: The study's seed.
            index: The number of the config, from 0.
            history: What was tried, in the order of the trials.
            epochs: The maximum epochs of a trial.

        Raises:
            InvalidJob: It is a searcher of Ray Tune, which the driver of a study that trains uses itself.
        """
        allowed = "must be one of tunepipe's own searchers if nothing is trained: random, tpe, …"
        raise InvalidJob("the job", [Fault("searcher", self.kind, allowed)])


def draw_generator(seed: int, index: int) -> np.random.Generator:
    return np.random.default_rng([seed, index])


@dataclass(frozen=True)
class RaySearch(SearcherSettings):
    """Any searcher of Ray Tune whose library is installed, for spaces without a Switch. This package imports no Ray.

    Its state cannot be saved, so its study cannot be resumed. It learns of a trial when the trial has ended.

    Args:
        kind: The class's path: `ray.tune.search.optuna.OptunaSearch`.
        settings: The arguments of the class, by name. The study sets metric, mode and space, and the seed unless it is
            given.
    """

    resumes: ClassVar[bool] = False

    kind: Annotated[str, Field(strict=True, pattern=r"^ray\.tune\.search(\.[A-Za-z_]\w*)+$")]
    settings: OpenSettings = field(default_factory=dict)

    def faults(self, space: AnySpace) -> list[Fault]:
        switches = ", ".join(parameter.path for parameter in walk(space) if isinstance(parameter.domain, Switch))
        allowed = f"Ray's searchers do not support Switch, and the space has {switches}; random, sobol, tpe and gp do"
        return [Fault("searcher", self.kind, allowed)] if switches else []
