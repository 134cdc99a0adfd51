"""The base of all searchers: settings that a user writes, and the draw.

A draw is a function of the seed, the config's number and earlier observations. Grid, random and Sobol search use only
the first two, so that config i does not depend on the number of workers, on earlier trials, or on a resume. The others
learn. They have no state either, because a study keeps its observations: a resumed study draws the configs that it
would have drawn without the interruption.
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import ConfigDict

from pipeline.errors import Fault
from pipeline.space import STRICT_CONFIG, Config

RANDOM_EVERY = 2
"""The interval of random draws as long as trials are compared before their last epoch."""

LARGEST_LOSS = 1e100
"""Larger losses count as this one in a Gaussian process: their squares would overflow."""


class _Derived:
    """Has what was computed from an object, in addition to the object's fields."""

    __slots__ = ("_derived", "_of_config")
    _derived: dict[Hashable, Any]
    _of_config: dict[Hashable, Any]

    @property
    def derived(self) -> dict[Hashable, Any]:
        """What searchers have computed from it, by what it is, so that each draw does not compute it again."""
        try:
            return self._derived
        except AttributeError:
            object.__setattr__(self, "_derived", {})
            return self._derived

    @property
    def of_config(self) -> dict[Hashable, Any]:
        """As `derived`, what depends on its config alone: another observation of the trial has it, too."""
        try:
            return self._of_config
        except AttributeError:
            object.__setattr__(self, "_of_config", {})
            return self._of_config

    def with_fields(self, **fields: Any) -> Self:
        """Another observation of the same config."""
        other = replace(self, **fields)  # type: ignore[type-var]
        object.__setattr__(other, "_of_config", self.of_config)
        return other


@dataclass(frozen=True, slots=True)
class Observation(_Derived):
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

    @property
    def reach(self) -> float:
        """The last epoch at which its loss is known: 0 without a loss, infinity if the loss is final."""
        if self.loss is not None and (self.ended or not self.curve):
            return math.inf
        return self.curve[-1][0] if self.curve else 0


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A config to try next."""

    config: Config
    reason: str = "Drawn by the searcher."


class SearcherSettings:
    """The settings of a searcher. Each subclass is a frozen dataclass, with `kind` and its own fields."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT_CONFIG

    kind: str
    """Its name on the command line; the path of a class of Ray Tune."""

    title: ClassVar[str]
    """Its name in a sentence."""

    resumes: ClassVar[bool] = True
    """Whether a study can be resumed: each draw depends only on the study's own data."""

    learns: ClassVar[bool] = False
    """Whether its draws depend on earlier trials."""

    learns_from_studies: ClassVar[bool] = False
    """Whether its draws depend on the trials of earlier studies, if the job names some."""

    every_objective: ClassVar[bool] = False
    """Whether it learns from all objectives and their bounds, and not from the first one alone."""

    def faults(self, space: Mapping[str, Any]) -> list[Fault]:
        """What makes this searcher unfit for a space; empty if it fits."""
        return []

    def size(self, space: Mapping[str, Any]) -> int | None:
        """The number of configs that can be drawn; None if it is infinite."""
        return None

    def number_of(self, space: Mapping[str, Any], config: Config) -> int | None:
        """The number of the draw that returns a config, if each config is drawn once; None if that is unknown."""
        return None

    def draw(
        self, space: Mapping[str, Any], *, seed: int, index: int, observations: Iterable[Observation] = ()
    ) -> Config:
        """Draw a config of a study."""
        raise NotImplementedError

    def suggest(
        self, space: Mapping[str, Any], *, seed: int, index: int, observations: Iterable[Observation], epochs: int
    ) -> Suggestion:
        """Draw a config of a study, with a reason."""
        return Suggestion(self.draw(space, seed=seed, index=index, observations=observations))


@dataclass(frozen=True)
class SuggestingSearch(SearcherSettings):
    """A searcher that learns from curves, for a maximum of epochs. Each subclass has its own `suggest`."""

    learns: ClassVar[bool] = True

    def draw(
        self, space: Mapping[str, Any], *, seed: int, index: int, observations: Iterable[Observation] = ()
    ) -> Config:
        """As `suggest`, for the last epoch that any trial has reached."""
        before = list(observations)
        last = max((epoch for one in before for epoch, _ in one.curve), default=1)
        return self.suggest(space, seed=seed, index=index, observations=before, epochs=last).config


def draw_generator(seed: int, index: int) -> np.random.Generator:
    """The random generator of a config."""
    return np.random.default_rng([seed, index])


def losses(observations: Iterable[Observation]) -> list[tuple[Config, float]]:
    """Configs that have ended, with their losses: a failed config counts as the worst known one."""
    known = list(observations)
    worst = max((one.loss for one in known if one.loss is not None), default=None)
    if worst is None:
        return []
    ended = [one for one in known if one.state != "open"]
    return [(one.config, worst if one.loss is None else one.loss) for one in ended]
