"""Sobol search: configs that cover the space more evenly than random ones (Sobol 1967, scrambled as in Owen 1998)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pipeline.searchers.base import Observation, SearcherSettings
from pipeline.space import Config, compose, drawn_parameters

_BITS = 32


@dataclass(frozen=True)
class SobolSearch(SearcherSettings):
    """The points of a scrambled Sobol sequence; most even if their number is a power of two.

    Each hyperparameter has its own dimension, including those in branches; config i is point i of the seed's sequence.
    """

    title: ClassVar[str] = "Sobol search"
    kind: Literal["sobol"] = field(default="sobol", repr=False)

    def draw(
        self, space: Mapping[str, Any], *, seed: int, index: int, observations: Iterable[Observation] = ()
    ) -> Config:
        """A point of the seed's sequence as a config."""
        from scipy.stats import qmc

        paths = [parameter.path for parameter in drawn_parameters(space)]
        if not paths:
            return compose(space, lambda parameter: parameter.domain)
        sequence = qmc.Sobol(len(paths), rng=seed, bits=_BITS)
        if index:  # SciPy 1.17 cannot fast-forward by 0.
            sequence.fast_forward(index)
        units = dict(zip(paths, sequence.random(1)[0].tolist(), strict=True))
        return compose(space, lambda parameter: parameter.domain.from_unit(units[parameter.path]))
