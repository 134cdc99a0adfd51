"""A space as a unit cube: a number from 0 to 1 for each parameter, for many configs together."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.space.domains import CountableDomain, ListedDomain
from pipeline.space.draws import compose
from pipeline.space.values import Config
from pipeline.space.walk import drawn_parameters

_Reals = npt.NDArray[np.float64]

NEIGHBOUR_STEPS = (0.1, 0.02)
"""Distances at which neighbours of good configs are drawn, as shares of a parameter's range."""

_BEST = 4
"""Number of configs whose neighbours are drawn."""

_REDRAWN = 0.1
"""The share of listed values that a neighbour draws again."""


class Cube:
    """A space's parameters as the sides of a cube, in the order of the space."""

    def __init__(self, space: Mapping[str, Any]) -> None:
        self.space = space
        """The space."""
        self._parameters = parameters = drawn_parameters(space)
        self._where = {parameter.path: number for number, parameter in enumerate(parameters)}
        listed = [isinstance(parameter.domain, ListedDomain) for parameter in parameters]
        self._listed = np.array(listed, bool)
        self._sizes = [
            len(parameter.domain.values) if one else 1 for parameter, one in zip(parameters, listed, strict=True)
        ]
        self.sides = len(parameters)
        """Number of sides."""
        self.groups: npt.NDArray[np.int64] = np.repeat(np.arange(len(parameters)), self._sizes)
        """For each axis of a point, the number of its side."""
        self._when = [
            [
                (self._side(parameter.when[:depth], switch), branch)
                for depth, (switch, branch) in enumerate(parameter.when)
            ]
            for parameter in parameters
        ]
        self._starts = np.cumsum([0, *self._sizes]).tolist()
        conditional = np.array([bool(when) for when in self._when], bool)
        self._conditional = np.flatnonzero(conditional)
        # The axes of listed values without a condition are set together: a space may have hundreds of such sides.
        self._level_axes = np.flatnonzero(np.repeat(self._listed & ~conditional, self._sizes))
        levels = [level for size in self._sizes for level in range(size)]
        self._levels = np.array(levels, np.int64)[self._level_axes]

    def _side(self, when: tuple[tuple[str, str], ...], name: str) -> int:
        return self._where[".".join([*(part for pair in when for part in pair), name])]

    def units(self, configs: Sequence[Config]) -> _Reals:
        """Configs as places in the cube, a row each; NaN where a parameter is absent."""
        units = np.full((len(configs), len(self._parameters)), np.nan)
        for side, parameter in enumerate(self._parameters):
            name, to_unit = parameter.name, parameter.domain.to_unit
            if not parameter.when:
                units[:, side] = [to_unit(config[name]) for config in configs]
                continue
            for row, config in enumerate(configs):
                if parameter.is_present(config):
                    units[row, side] = to_unit(config[name])
        return units

    def units_within(self, part: "Cube", places: _Reals) -> _Reals:
        """The configs at places in a part of this space as places in this cube."""
        if len(self._conditional):
            return self.units([part.config(place) for place in places])
        # All configs share the values that are fixed there, which may be hundreds.
        units = np.repeat(self.units([part.config(places[0])]), len(places), axis=0)
        for there, parameter in enumerate(drawn_parameters(part.space)):
            side, from_unit = self._where[parameter.path], parameter.domain.from_unit
            to_unit = self._parameters[side].domain.to_unit
            units[:, side] = [to_unit(from_unit(unit)) for unit in places[:, there].tolist()]
        return units

    def points(self, units: _Reals) -> _Reals:
        """Places in the cube as points for a process: an axis for each listed value, the middle for what is absent."""
        # The sides of numbers without a condition are their own axes.
        points: _Reals = np.take(units, self.groups, axis=1).astype(np.float64, copy=False)
        if not len(self._level_axes) and not len(self._conditional):
            return points
        sizes = np.array(self._sizes)
        chosen = np.minimum(np.nan_to_num(units) * sizes, sizes - 1).astype(int)
        points[:, self._level_axes] = chosen[:, self.groups[self._level_axes]] == self._levels
        for side in self._conditional.tolist():
            there = np.ones(len(units), bool)
            for switch, branch in self._when[side]:
                there &= chosen[:, switch] == self._parameters[switch].domain.values.index(branch)
            axes = slice(self._starts[side], self._starts[side] + self._sizes[side])
            if self._listed[side]:
                points[:, axes] = (chosen[:, side, None] == np.arange(self._sizes[side])) & there[:, None]
            else:
                points[:, axes] = np.where(there, units[:, side], 0.5)[:, None]
        return points

    def rounded(self, units: _Reals) -> _Reals:
        """Places as those of their configs: whole and quantised numbers are in the middle of their parts of a side."""
        found = units.copy()
        for side, parameter in enumerate(self._parameters):
            domain = parameter.domain
            if not isinstance(domain, CountableDomain) or self._listed[side]:
                continue
            if domain.logarithmic:
                found[:, side] = [domain.to_unit(domain.from_unit(unit)) for unit in units[:, side].tolist()]
            else:
                # All values have equal parts. Exact multiples of a step take 50 µs each.
                numbers = np.minimum(np.floor(units[:, side] * domain.count), domain.count - 1)
                found[:, side] = (numbers + 0.5) / domain.count
        return found

    def neighbours(self, units: _Reals, step: float, rng: np.random.Generator) -> _Reals:
        """A neighbour of each place: numbers move by a normal step, and one in ten listed values is drawn again."""
        moved = np.clip(units + step * rng.normal(size=units.shape), 0.0, 1.0)
        drawn = rng.random(units.shape)
        moved = np.where(self._listed, np.where(rng.random(units.shape) < _REDRAWN, drawn, units), moved)
        return self.rounded(np.where(np.isnan(units), drawn, moved))

    def config(self, unit: _Reals) -> Config:
        """The config at a place in the cube."""
        return compose(
            self.space, lambda parameter: parameter.domain.from_unit(float(unit[self._where[parameter.path]]))
        )


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
