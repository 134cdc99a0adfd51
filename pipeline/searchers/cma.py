"""CMA-ES (Hansen and Ostermeier 2001, Hansen 2016), by the package cmaes.

Optuna's sampler keeps its evolution pickled in the trials; here it is told all generations again at each draw.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from pipeline.errors import Fault
from pipeline.searchers.base import (
    MAX_OBSERVATIONS,
    History,
    Observation,
    SearcherSettings,
    Suggestion,
    draw_generator,
)
from pipeline.searchers.one_rung import at_one_rung, losses
from pipeline.space import ListedDomain, Real, Whole, compose, draw, drawn_parameters


@dataclass(frozen=True)
class CMASearch(SearcherSettings):
    """Moves a normal distribution towards the best configs; for spaces of numbers, and for hundreds of trials.

    It learns about the numbers that every config has. Choices, switches and the hyperparameters in their branches
    are drawn at random.

    Args:
        population: Configs in a generation, after which the distribution moves. By default 4 + 3 log(n) for n numbers.
        spread: Standard deviation at the start, as a share of each hyperparameter's range; above 0, at most 1.
    """

    title: ClassVar[str] = "CMA-ES"
    learns: ClassVar[bool] = True

    population: Annotated[Whole, Field(ge=2, lt=2**31)] | None = None
    spread: Annotated[Real, Field(gt=0, le=1)] = 0.25

    kind: Literal["cma"] = field(default="cma", repr=False)

    def faults(self, space: Mapping[str, Any]) -> list[Fault]:
        """CMA-ES needs at least two numbers."""
        numbers = _numbers(space)
        if len(numbers) >= 2 or not drawn_parameters(space):
            return []
        found = f"only {', '.join(numbers)}" if numbers else "none"
        allowed = f"CMA-ES needs at least two numbers that every config draws, and there is {found}; tpe and gp do not"
        return [Fault("searcher", self.kind, allowed)]

    def suggest(
        self, space: Mapping[str, Any], *, seed: int, index: int, observations: Iterable[Observation], epochs: int
    ) -> Suggestion:
        """A config by the evolution over whole generations of earlier observations, in the order of the trials."""
        rng, names = draw_generator(seed, index), _numbers(space)
        config = draw(space, rng, index)
        if not names:
            return Suggestion(config)
        from cmaes import CMA

        size = len(names)
        evolution = CMA(
            mean=np.full(size, 0.5),
            sigma=self.spread,
            bounds=np.tile([0.0, 1.0], (size, 1)),
            population_size=self.population or 4 + int(3 * math.log(size)),
            seed=0,
        )
        history, generation_size = History.of(observations), evolution.population_size
        # Earlier generations no longer matter; the rest begins with a whole one.
        first = -(-max(0, len(history) - MAX_OBSERVATIONS) // generation_size) * generation_size
        known = iter(losses(at_one_rung(space, history[first:], epochs=epochs)))
        while len(generation := list(islice(known, generation_size))) == generation_size:
            evolution.tell(
                [(np.array([space[name].to_unit(one[name]) for name in names]), loss) for one, loss in generation]
            )
        evolution.reseed_rng(int(rng.integers(2**31)))
        drawn = {name: space[name].from_unit(unit) for name, unit in zip(names, evolution.ask().tolist(), strict=True)}
        return Suggestion(compose(space, lambda each: (config if each.when else {**config, **drawn})[each.name]))


def _numbers(space: Mapping[str, Any]) -> list[str]:
    drawn = [parameter for parameter in drawn_parameters(space) if not parameter.when]
    return [parameter.name for parameter in drawn if not isinstance(parameter.domain, ListedDomain)]
