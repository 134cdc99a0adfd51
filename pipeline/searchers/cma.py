"""CMA-ES (Hansen and Ostermeier 2001, Hansen 2016), by the package cmaes.

Optuna's sampler keeps its evolution pickled in the trials; here it is told all generations again at each draw.
"""

from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar, Literal

import numpy as np

from pipeline.errors import Fault
from pipeline.searchers.base import MAX_OBSERVATIONS, AnySpace, History, SearcherSettings, Suggestion, draw_generator
from pipeline.searchers.one_rung import at_one_rung, losses
from pipeline.space import ListedDomain, compose, draw, drawn_parameters

_SPREAD = 0.25
"""The standard deviation at the start, as a share of each hyperparameter's range."""


@dataclass(frozen=True)
class CMASearch(SearcherSettings):
    """Moves a normal distribution towards the best configs; for spaces of numbers, and for hundreds of trials.

    It learns about the numbers that every config has. Choices, switches and the hyperparameters in their branches
    are drawn at random. The distribution moves after each generation of 4 + 3 log(n) configs, for n numbers.
    """

    title: ClassVar[str] = "CMA-ES"
    learns: ClassVar[bool] = True
    kind: Literal["cma"] = field(default="cma", repr=False)

    def faults(self, space: AnySpace) -> list[Fault]:
        """CMA-ES needs at least two numbers."""
        numbers = _numbers(space)
        if len(numbers) >= 2 or not drawn_parameters(space):
            return []
        found = f"only {', '.join(numbers)}" if numbers else "none"
        allowed = f"CMA-ES needs at least two numbers that every config draws, and there is {found}; tpe and gp do not"
        return [Fault("searcher", self.kind, allowed)]

    def suggest(self, space: AnySpace, *, seed: int, index: int, history: History, epochs: int) -> Suggestion:
        """A config by the evolution over whole generations of earlier observations, in the order of the trials."""
        rng, names = draw_generator(seed, index), _numbers(space)
        config = draw(space, rng, index)
        if not names:
            return Suggestion(config)
        from cmaes import CMA

        bounds = np.tile([0.0, 1.0], (len(names), 1))
        evolution = CMA(mean=np.full(len(names), 0.5), sigma=_SPREAD, bounds=bounds, seed=0)
        size = evolution.population_size
        # Earlier generations no longer matter; the rest begins with a whole one.
        first = -(-max(0, len(history) - MAX_OBSERVATIONS) // size) * size
        known = iter(losses(at_one_rung(space, history[first:], epochs=epochs)[0]))
        while len(generation := list(islice(known, size))) == size:
            evolution.tell(
                [(np.array([space[name].to_unit(one[name]) for name in names]), loss) for one, loss in generation]
            )
        evolution.reseed_rng(int(rng.integers(2**31)))
        drawn = {name: space[name].from_unit(unit) for name, unit in zip(names, evolution.ask().tolist(), strict=True)}
        return Suggestion(compose(space, lambda each: (config if each.when else {**config, **drawn})[each.name]))


def _numbers(space: AnySpace) -> list[str]:
    drawn = [parameter for parameter in drawn_parameters(space) if not parameter.when]
    return [parameter.name for parameter in drawn if not isinstance(parameter.domain, ListedDomain)]
