"""Grid search: every combination once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from pipeline.searchers.base import SearcherSettings
from pipeline.space import Choice, Config, Grid, draw, grid_size

__all__ = ["GridSearch"]


@dataclass(frozen=True)
class GridSearch(SearcherSettings):
    """Every combination of the space's Grid and Choice parameters, the last parameter fastest; others must be fixed."""

    kind: Literal["grid"] = field(default="grid", repr=False)

    def fault(self, space: Mapping[str, Any]) -> str | None:
        """Names the parameters that have no finite list of values."""
        endless = [n for n, d in space.items() if hasattr(d, "draw") and not isinstance(d, Grid | Choice)]
        if not endless:
            return None
        names, has = ", ".join(endless), "has" if len(endless) == 1 else "have"
        return f"grid search needs a Grid, a Choice or a fixed value for every parameter, and {names} {has} none"

    def size(self, space: Mapping[str, Any]) -> int:
        """The number of combinations."""
        return grid_size(_gridded(space))

    def draw(self, space: Mapping[str, Any], *, seed: int, index: int) -> Config:
        """Combination number `index`; beyond the last, the first again."""
        return draw(_gridded(space), np.random.default_rng([seed, index]), index)


def _gridded(space: Mapping[str, Any]) -> dict[str, Any]:
    return {n: Grid(d.values) if isinstance(d, Choice) else d for n, d in space.items()}
