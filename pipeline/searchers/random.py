"""Random search (Bergstra and Bengio 2012)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from pipeline.searchers.base import SearcherSettings
from pipeline.space import Config, draw

__all__ = ["RandomSearch"]


@dataclass(frozen=True)
class RandomSearch(SearcherSettings):
    """Every config drawn independently; grid parameters run through their values in turn."""

    kind: Literal["random"] = field(default="random", repr=False)

    def draw(self, space: Mapping[str, Any], *, seed: int, index: int) -> Config:
        """Config number `index` of the study with that seed."""
        return draw(space, np.random.default_rng([seed, index]), index)
