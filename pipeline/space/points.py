"""Configs as points, and their neighbours, shared by the searchers and schedulers that learn."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.space.cube import Cube
from pipeline.space.values import Config

NEIGHBOUR_STEPS = (0.1, 0.02)
"""Distances at which neighbours of good configs are drawn, as shares of a parameter's range."""

_BEST = 4
"""Number of configs whose neighbours are drawn."""


def vectors(space: Mapping[str, Any], configs: Sequence[Config]) -> npt.NDArray[np.float64]:
    """Configs as points: the quantile of each number, 0.5 if it is absent, and an axis for each value of a choice."""
    cube = Cube(space)
    return cube.points(cube.units(configs))


def neighbour(space: Mapping[str, Any], config: Config, step: float, rng: np.random.Generator) -> Config:
    """A neighbour of a config: numbers move by a normal step, and one in ten listed values is drawn again."""
    cube = Cube(space)
    return cube.config(cube.neighbours(cube.units([config]), step, rng)[0])


def best_nearby(
    cube: Cube,
    candidates: npt.NDArray[np.float64],
    best: npt.NDArray[np.float64],
    score: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]],
    *,
    neighbours: int,
    rng: np.random.Generator,
) -> Config:
    """The config with the highest score among candidates and neighbours of the best ones."""
    # A score is that of a config: many places are the same whole number.
    candidates = cube.rounded(candidates)
    for step in NEIGHBOUR_STEPS:
        drawn = cube.neighbours(best[np.arange(neighbours) % len(best)], step, rng)
        compared = np.vstack([candidates, drawn])
        order = np.argsort(-score(compared), kind="stable")
        best = candidates = compared[order[:_BEST]]
    return cube.config(best[0])
