"""What every searcher is: settings a person writes, and the draw.

Config i is drawn from (seed, i) alone, so that it does not depend on how many workers there are, on what came before,
or on a resume.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import ConfigDict

from pipeline.space import Config
from pipeline.space.values import SETTINGS

__all__ = ["SearcherSettings"]


@dataclass(frozen=True)
class SearcherSettings:
    """What a person sets on a searcher. Each subclass adds `kind` and its own fields."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    def fault(self, space: Mapping[str, Any]) -> str | None:
        """What makes this searcher unfit for `space`, in words; None where it fits."""
        return None

    def size(self, space: Mapping[str, Any]) -> int | None:
        """How many configs there are to draw; None for no end."""
        return None

    def draw(self, space: Mapping[str, Any], *, seed: int, index: int) -> Config:
        """Config number `index`, from 0, of the study with that seed."""
        raise NotImplementedError
