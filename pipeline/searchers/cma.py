"""CMA-ES (Hansen and Ostermeier 2001, Hansen 2016), as the package cmaes has it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from pipeline.searchers.base import SearcherSettings, Tried, chance, losses
from pipeline.space import Choice, Config, Grid, Switch, compose, draw, walk
from pipeline.space.values import Real, Whole

__all__ = ["CMASearch"]


@dataclass(frozen=True)
class CMASearch(SearcherSettings):
    """Moves a normal distribution towards what is best; for spaces of numbers, and for hundreds of trials.

    It learns about the numbers that every config has. Choices, switches and what stands in their branches are drawn
    at random.

    Args:
        population: Configs of a generation, after which the distribution moves; 4 + 3 log(numbers) unless given.
        spread: Standard deviation at the beginning, in parts of each parameter's width; above 0, at most 1.
    """

    population: Annotated[Whole, Field(ge=2, lt=2**31)] | None = None
    spread: Annotated[Real, Field(gt=0, le=1)] = 0.25
    kind: Literal["cma"] = field(default="cma", repr=False)

    def fault(self, space: Mapping[str, Any]) -> str | None:
        """CMA-ES needs two numbers at least."""
        numbers = _numbers(space)
        if len(numbers) >= 2 or not any(place.drawn for place in walk(space)):
            return None
        found = f"only {', '.join(numbers)}" if numbers else "none"
        return f"CMA-ES needs at least two numbers that every config draws, and there is {found}; tpe and gp do not"

    def draw(self, space: Mapping[str, Any], *, seed: int, index: int, tried: Iterable[Tried] = ()) -> Config:
        """Config number `index`, after what was tried: whole generations of it, in the order of the trials."""
        rng, names = chance(seed, index), _numbers(space)
        config = draw(space, rng, index)
        if not names:
            return config
        from cmaes import CMA

        size = len(names)
        evolution = CMA(
            mean=np.full(size, 0.5),
            sigma=self.spread,
            bounds=np.tile([0.0, 1.0], (size, 1)),
            population_size=self.population or 4 + int(3 * math.log(size)),
            seed=0,
        )
        known = iter(losses(tried))
        while len(generation := list(islice(known, evolution.population_size))) == evolution.population_size:
            evolution.tell([(_units(space, names, one), loss) for one, loss in generation])
        evolution.reseed_rng(int(rng.integers(2**31)))
        units = dict(zip(names, evolution.ask().tolist(), strict=True))
        return compose(
            space,
            lambda place: (
                place.domain.at(units[place.name]) if not place.when and place.name in units else config[place.name]
            ),
        )


def _numbers(space: Mapping[str, Any]) -> list[str]:
    return [n for n, d in space.items() if hasattr(d, "draw") and not isinstance(d, Choice | Grid | Switch)]


def _units(space: Mapping[str, Any], names: list[str], config: Config) -> np.ndarray:
    return np.array([space[name].unit(config[name]) for name in names])
