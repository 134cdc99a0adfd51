"""Random search (Bergstra and Bengio 2012)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pipeline.searchers.base import Observation, SearcherSettings, draw_generator
from pipeline.space import Config, draw


@dataclass(frozen=True)
class RandomSearch(SearcherSettings):
    """Every config is drawn independently; hyperparameters with a Grid take their values in turn."""

    title: ClassVar[str] = "random search"
    kind: Literal["random"] = field(default="random", repr=False)

    def draw(
        self, space: Mapping[str, Any], *, seed: int, index: int, observations: Iterable[Observation] = ()
    ) -> Config:
        """A random config."""
        return draw(space, draw_generator(seed, index), index)
