"""What every searcher is: settings a person writes, and the draw.

A draw is a function of the seed, the config's number and what was tried before. Grid, random and Sobol search look at
the first two alone, so that config i does not depend on how many workers there are, on what came before, or on a
resume. The others learn, and keep no state of their own either: what was tried lies with the study, so a resumed study
goes on with the configs it would have drawn.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import ConfigDict

from pipeline.space import Config
from pipeline.space.values import SETTINGS

__all__ = ["SearcherSettings", "Tried", "chance", "losses"]


@dataclass(frozen=True, slots=True)
class Tried:
    """A config that was tried, or is being tried.

    Args:
        config: The config.
        state: `open` as long as it trains, `failed`, or `known`: its value counts.
        loss: For a known one: its objective, so signed that less is better; finite.
    """

    config: Config
    state: Literal["open", "failed", "known"]
    loss: float | None = None


@dataclass(frozen=True)
class SearcherSettings:
    """What a person sets on a searcher. Each subclass adds `kind` and its own fields."""

    __pydantic_config__: ClassVar[ConfigDict] = SETTINGS

    resumes: ClassVar[bool] = True
    """Whether a study can be gone on with: each draw follows from what lies with it."""

    def fault(self, space: Mapping[str, Any]) -> str | None:
        """What makes this searcher unfit for `space`, in words; None where it fits."""
        return None

    def size(self, space: Mapping[str, Any]) -> int | None:
        """How many configs there are to draw; None for no end."""
        return None

    def number_of(self, space: Mapping[str, Any], config: Config) -> int | None:
        """Which draw a config of the space is, where each is drawn once; None where nobody can tell beforehand."""
        return None

    def draw(self, space: Mapping[str, Any], *, seed: int, index: int, tried: Iterable[Tried] = ()) -> Config:
        """Config number `index` of a study.

        Args:
            space: The space.
            seed: The study's seed.
            index: Counts what this searcher has drawn, from 0.
            tried: What was tried before, by whomever, in the order of the trials.
        """
        raise NotImplementedError


def chance(seed: int, index: int) -> np.random.Generator:
    """Where the randomness of config number `index` comes from."""
    return np.random.default_rng([seed, index])


def losses(tried: Iterable[Tried], *, open_too: bool = False) -> list[tuple[Config, float]]:
    """What was tried with its loss: a failed config counts as the worst of those that are known.

    Args:
        tried: What was tried.
        open_too: Count those that still train as the worst, too, so that nobody tries the same beside them.

    Returns:
        Nothing as long as no loss is known.
    """
    known = list(tried)
    worst = max((one.loss for one in known if one.loss is not None), default=None)
    if worst is None:
        return []
    counted = [one for one in known if open_too or one.state != "open"]
    return [(one.config, worst if one.loss is None else one.loss) for one in counted]
