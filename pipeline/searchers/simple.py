"""Searchers that do not learn: random, grid and Sobol search."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pipeline.errors import Fault
from pipeline.searchers.base import Observation, SearcherSettings, draw_generator
from pipeline.space import (
    Config,
    CountableDomain,
    combination,
    combinations,
    compose,
    draw,
    drawn_parameters,
    number_of,
)
from pipeline.text import by_count

_BITS = 32


@dataclass(frozen=True)
class RandomSearch(SearcherSettings):
    """Every config is drawn independently; hyperparameters with a Grid take their values in turn."""

    title: ClassVar[str] = "random search"
    kind: Literal["random"] = field(default="random", repr=False)

    def draw(
        self, space: Mapping[str, Any], *, seed: int, index: int, observations: Iterable[Observation] = ()
    ) -> Config:
        return draw(space, draw_generator(seed, index), index)


@dataclass(frozen=True)
class GridSearch(SearcherSettings):
    """Every combination of the values of the space, the last hyperparameter fastest.

    Each hyperparameter needs a finite number of values: Grid, Choice, IntUniform, QUniform, Switch, or a fixed value.
    Each branch of a Switch is combined with its own hyperparameters alone.
    """

    title: ClassVar[str] = "grid search"
    kind: Literal["grid"] = field(default="grid", repr=False)

    def faults(self, space: Mapping[str, Any]) -> list[Fault]:
        endless = [p.path for p in drawn_parameters(space) if not isinstance(p.domain, CountableDomain)]
        if not endless:
            return []
        names, has = ", ".join(endless), by_count(len(endless), "has", "have")
        allowed = (
            f"grid search needs a finite number of values for every hyperparameter, and {names} {has} infinitely many: "
            "use Grid, Choice, IntUniform, QUniform, or a fixed value"
        )
        return [Fault("searcher", self.kind, allowed)]

    def size(self, space: Mapping[str, Any]) -> int | None:
        return combinations(space)

    def number_of(self, space: Mapping[str, Any], config: Config) -> int:
        return number_of(space, config)

    def draw(
        self, space: Mapping[str, Any], *, seed: int, index: int, observations: Iterable[Observation] = ()
    ) -> Config:
        # After the last combination the first follows again.
        return combination(space, index)


@dataclass(frozen=True)
class SobolSearch(SearcherSettings):
    """The points of a scrambled Sobol sequence; most even if their number is a power of two.

    Each hyperparameter has its own dimension, including those in branches; config i is point i of the seed's sequence.
    (Sobol 1967, scrambled as in Owen 1998.)
    """

    title: ClassVar[str] = "Sobol search"
    kind: Literal["sobol"] = field(default="sobol", repr=False)

    def draw(
        self, space: Mapping[str, Any], *, seed: int, index: int, observations: Iterable[Observation] = ()
    ) -> Config:
        from scipy.stats import qmc

        paths = [parameter.path for parameter in drawn_parameters(space)]
        if not paths:
            return compose(space, lambda parameter: parameter.domain)
        sequence = qmc.Sobol(len(paths), rng=seed, bits=_BITS)
        if index:  # SciPy 1.17 cannot fast-forward by 0.
            sequence.fast_forward(index)
        units = dict(zip(paths, sequence.random(1)[0].tolist(), strict=True))
        return compose(space, lambda parameter: parameter.domain.from_unit(units[parameter.path]))
