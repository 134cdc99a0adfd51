"""Sobol search: configs spread more evenly than chance would (Sobol 1967, scrambled as in Owen 1998)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.searchers.base import SearcherSettings, Tried
from pipeline.space import Config, compose, walk

__all__ = ["SobolSearch"]

_BITS = 32


@dataclass(frozen=True)
class SobolSearch(SearcherSettings):
    """The points of a scrambled Sobol sequence; most even where their number is a power of two.

    Each parameter has a dimension of its own, those of a branch too; config i is point i of the seed's sequence.
    """

    kind: Literal["sobol"] = field(default="sobol", repr=False)

    def draw(self, space: Mapping[str, Any], *, seed: int, index: int, tried: Iterable[Tried] = ()) -> Config:
        """Config number `index` of the study with that seed."""
        from scipy.stats import qmc

        paths = [place.path for place in walk(space) if place.drawn]
        if not paths:
            return compose(space, lambda place: place.domain)
        sequence = qmc.Sobol(len(paths), rng=seed, bits=_BITS)
        if index:  # SciPy 1.17 cannot go forward by nothing.
            sequence.fast_forward(index)
        units = dict(zip(paths, sequence.random(1)[0].tolist(), strict=True))
        return compose(space, lambda place: place.domain.at(units[place.path]))
