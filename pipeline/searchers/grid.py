"""Grid search: every combination once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.searchers.base import SearcherSettings, Tried
from pipeline.space import Choice, Config, Grid, Switch, combination, combinations, number_of, walk

__all__ = ["GridSearch"]


@dataclass(frozen=True)
class GridSearch(SearcherSettings):
    """Every combination of the space's Grid, Choice and Switch parameters, the last one fastest; others must be fixed.

    Each branch of a Switch is combined with its own parameters alone.
    """

    kind: Literal["grid"] = field(default="grid", repr=False)

    def fault(self, space: Mapping[str, Any]) -> str | None:
        """Names the parameters that have no finite list of values."""
        endless = [p.path for p in walk(space) if p.drawn and not isinstance(p.domain, Grid | Choice | Switch)]
        if not endless:
            return None
        names, has = ", ".join(endless), "has" if len(endless) == 1 else "have"
        return f"grid search needs a Grid, a Choice or a fixed value for every parameter, and {names} {has} none"

    def size(self, space: Mapping[str, Any]) -> int:
        """The number of combinations."""
        return combinations(space)

    def number_of(self, space: Mapping[str, Any], config: Config) -> int:
        """The combination's number."""
        return number_of(space, config)

    def draw(self, space: Mapping[str, Any], *, seed: int, index: int, tried: Iterable[Tried] = ()) -> Config:
        """Combination number `index`; beyond the last, the first again."""
        return combination(space, index)
