"""A space as a unit cube: a number from 0 to 1 for each parameter, for many configs together."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.space.configs import ParameterPath, When, compose, drawn_parameters
from pipeline.space.domains import CountableDomain, ListedDomain
from pipeline.space.values import Config, Value

_Reals = npt.NDArray[np.float64]

_NEIGHBOUR_STEPS = (0.1, 0.02)
"""Distances at which neighbours of good configs are drawn, as shares of a parameter's range."""

_BEST = 4
"""Number of configs whose neighbours are drawn."""

_REDRAWN = 0.1
"""The share of listed values that a neighbour draws again."""


class Cube:
    """A space's parameters as the sides of a cube, in the order of the space.

    Around a config, only the parameters with some names change in its places; all without names.
    """

    def __init__(
        self, space: Mapping[str, Any], around: Config | None = None, names: Collection[str] | None = None
    ) -> None:
        self.space = space
        """The space."""
        self._parameters = parameters = drawn_parameters(space)
        self._where = {parameter.path: number for number, parameter in enumerate(parameters)}
        self._sizes = [len(each.domain.values) if isinstance(each.domain, ListedDomain) else 0 for each in parameters]
        self.sides = len(parameters)
        """Number of sides."""
        self.groups: npt.NDArray[np.int64] = np.repeat(np.arange(self.sides), [size or 1 for size in self._sizes] or 0)
        """For each axis of a point, the number of its side."""
        # For each side, the sides of the switches above, each with the number of the branch.
        self._when = [
            [self._branch(each.when[:depth], *pair) for depth, pair in enumerate(each.when)] for each in parameters
        ]
        self._kept: Config = {}
        if around is not None and names is not None:
            kept = (each for each in parameters if each.name not in names and each.has_value(around))
            self._kept = {each.path: around[each.name] for each in kept}
        self._kept_units = np.array(
            [each.domain.to_unit(self._kept[each.path]) if each.path in self._kept else np.nan for each in parameters]
        )

    def _branch(self, when: When, switch: str, branch: str) -> tuple[int, int]:
        side = self._where[ParameterPath(switch, None, when).path]
        return side, self._parameters[side].domain.number(branch)

    def units(self, configs: Sequence[Config]) -> _Reals:
        """Configs as places in the cube, a row each; NaN where a parameter is absent."""
        units = np.full((len(configs), self.sides), np.nan)
        for side, parameter in enumerate(self._parameters):
            name, to_unit = parameter.name, parameter.domain.to_unit
            for row, config in enumerate(configs):
                if not parameter.when or parameter.is_present(config):
                    units[row, side] = to_unit(config[name])
        return units

    def points(self, units: _Reals) -> _Reals:
        """Places in the cube as points for a process: an axis for each listed value, the middle for what is absent."""
        sizes = np.array(self._sizes)
        numbers = np.minimum(np.nan_to_num(units) * sizes, sizes - 1).astype(int)
        columns = [np.empty((len(units), 0))]
        for side, size in enumerate(self._sizes):
            there = np.ones(len(units), bool)
            for switch, branch in self._when[side]:
                there &= numbers[:, switch] == branch
            if size:
                columns.append((numbers[:, side, None] == np.arange(size)) & there[:, None])
            else:
                columns.append(np.where(there, units[:, side], 0.5)[:, None])
        return np.hstack(columns)

    def random(self, count: int, rng: np.random.Generator) -> _Reals:
        """Random places."""
        return self._rounded(rng.random((count, self.sides)))

    def neighbours(self, units: _Reals, step: float, rng: np.random.Generator) -> _Reals:
        """A neighbour of each place: numbers move by a normal step, and one in ten listed values is drawn again."""
        moved = np.clip(units + step * rng.normal(size=units.shape), 0.0, 1.0)
        drawn = rng.random(units.shape)
        moved = np.where(np.array(self._sizes, bool), np.where(rng.random(units.shape) < _REDRAWN, drawn, units), moved)
        return self._rounded(np.where(np.isnan(units), drawn, moved))

    def _rounded(self, units: _Reals) -> _Reals:
        """Places as those of their configs: whole and quantised numbers are in the middle of their parts of a side."""
        found = np.where(np.isnan(self._kept_units), units, self._kept_units)
        for side, parameter in enumerate(self._parameters):
            domain = parameter.domain
            if not isinstance(domain, CountableDomain) or self._sizes[side]:
                continue
            if domain.logarithmic:
                found[:, side] = [domain.to_unit(domain.from_unit(unit)) for unit in found[:, side].tolist()]
            else:
                found[:, side] = (
                    np.minimum(np.floor(found[:, side] * domain.count), domain.count - 1) + 0.5
                ) / domain.count
        return found

    def config(self, unit: _Reals) -> Config:
        """The config at a place in the cube."""

        def pick(parameter: ParameterPath) -> Value:
            if parameter.path in self._kept:
                return self._kept[parameter.path]
            return parameter.domain.from_unit(float(unit[self._where[parameter.path]]))  # type: ignore[no-any-return]

        return compose(self.space, pick)


def best_nearby(
    cube: Cube, best: _Reals, score: Callable[[_Reals], _Reals], *, candidates: int, rng: np.random.Generator
) -> Config:
    """The config whose point has the highest score, among random candidates and neighbours of the best places."""
    compared = cube.random(candidates, rng)
    for step in _NEIGHBOUR_STEPS:
        drawn = cube.neighbours(best[np.arange(candidates // 4) % len(best)], step, rng)
        compared = np.vstack([compared, drawn])
        best = compared = compared[np.argsort(-score(cube.points(compared)), kind="stable")[:_BEST]]
    return cube.config(best[0])
