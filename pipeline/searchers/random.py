"""Random search (Bergstra and Bengio 2012)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.searchers.base import SearcherSettings, Tried, chance
from pipeline.space import Config, draw

__all__ = ["RandomSearch"]


@dataclass(frozen=True)
class RandomSearch(SearcherSettings):
    """Every config drawn independently; grid parameters run through their values in turn."""

    kind: Literal["random"] = field(default="random", repr=False)

    def draw(self, space: Mapping[str, Any], *, seed: int, index: int, tried: Iterable[Tried] = ()) -> Config:
        """Config number `index` of the study with that seed."""
        return draw(space, chance(seed, index), index)
