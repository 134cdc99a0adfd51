"""Spaces: their parameters, and configs: drawn, explored from another one, counted through, as places in a cube."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pipeline.errors import Fault
from pipeline.space.domains import Choice, CountableDomain, Domain, Grid, ListedDomain, Switch, listed_values
from pipeline.space.values import Config, Value, key_of

When: TypeAlias = tuple[tuple[str, str], ...]
"""The switches above a parameter, the outermost first, and the branch of each."""

_Reals: TypeAlias = npt.NDArray[np.float64]

_REDRAWN = 0.1
"""The share of listed values that a neighbour draws again."""


class RandomStream(IntEnum):
    """Numbers in the seeds of random generators, which keep them apart from those of the searcher's draws.

    Draw number `index` of a searcher has the generator of (seed, index). These numbers do not change: a study that
    continues draws its configs again.
    """

    START_CONFIGS = 5  # (seed, index)
    FURTHER_CONFIGS = 6  # (seed, draw), and the attempt after the stream
    POPULATION = 7  # (seed, number of the exploit)
    SYNTHETIC_CURVES = 11  # (seed, index, segment); the landscape: (seed)


@dataclass(frozen=True, slots=True)
class ParameterPath:
    """A parameter and its path in a space."""

    name: str
    domain: Any
    when: When = ()

    @property
    def path(self) -> str:
        """Its dotted path as in `--set`, without `space.`: `schedule.exponential.decay`."""
        return ".".join([*(part for pair in self.when for part in pair), self.name])

    @property
    def drawn(self) -> bool:
        return isinstance(self.domain, Domain)

    def is_present(self, config: Mapping[str, Value]) -> bool:
        return all(config.get(switch) == branch for switch, branch in self.when)


def walk(space: Mapping[str, Any], when: When = ()) -> Iterator[ParameterPath]:
    """Every parameter of a space, those of a switch's branches directly after it."""
    for name, domain in space.items():
        yield ParameterPath(name, domain, when)
        if isinstance(domain, Switch):
            for branch, inner in domain.branches.items():
                yield from walk(inner, (*when, (name, branch)))


def drawn_parameters(space: Mapping[str, Any]) -> list[ParameterPath]:
    return [parameter for parameter in walk(space) if parameter.drawn]


def drawn_names(space: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(parameter.name for parameter in drawn_parameters(space)))


def flat(space: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter that a config may have, once: the parameters for which tables have columns."""
    domains: dict[str, Any] = {}
    for parameter in walk(space):
        known = domains.get(parameter.name, parameter.domain)
        joined = _joined(known, parameter.domain)
        domains[parameter.name] = known if joined is None else joined
    return domains


def _joined(one: Any, other: Any) -> Any:
    """A parameter of two branches as one, of the wider range or of the values of both; None if they differ in kind."""
    first, second = listed_values(one), listed_values(other)
    if first is not None and second is not None:
        if type(one) is type(other) and key_of(first) == key_of(second):
            return one
        both = Choice(tuple({key_of(value): value for value in (*first, *second)}.values()))
        return both if both.fault() is None else None
    if one == other or type(one) is not type(other) or one.bounds is None:
        return one if one == other else None
    ends = {"low": min(one.low, other.low), "high": max(one.high, other.high)}
    joined = replace(one, **ends)
    return joined if replace(other, **ends) == joined else None


def conflicts(space: Mapping[str, Any]) -> list[Fault]:
    """The parameters that cannot be in one space together: they share a name at the same time, or differ in kind."""
    faults = []
    seen: dict[str, list[ParameterPath]] = {}
    for parameter in walk(space):
        for other in seen.setdefault(parameter.name, []):
            if not any(dict(other.when).get(switch, branch) != branch for switch, branch in parameter.when):
                allowed = f"must have another name: space.{other.path} may be present at the same time"
            elif _joined(other.domain, parameter.domain) is None:
                allowed = (
                    f"must be of one kind in all branches, only with other ends: space.{other.path} is {other.domain!r}"
                )
            else:
                continue
            faults.append(Fault(f"space.{parameter.path}", parameter.domain, allowed))
            break
        seen[parameter.name].append(parameter)
    return faults


def fits(space: Mapping[str, Any], config: Mapping[str, Value]) -> bool:
    """Whether a config is one of a space: it has exactly the present parameters, each with a value of its domain."""
    present = {each.name: each for each in walk(space) if each.is_present(config)}
    domains = {name: each.domain if each.drawn else Choice((each.domain,)) for name, each in present.items()}
    return config.keys() == domains.keys() and all(domains[name].contains(value) for name, value in config.items())


def compose(space: Mapping[str, Any], pick: Callable[[ParameterPath], Value]) -> Config:
    """A config in which `pick` chooses the value of each drawn parameter that is present."""
    config: Config = {}
    for parameter in walk(space):
        if parameter.is_present(config):
            config[parameter.name] = pick(parameter) if parameter.drawn else deepcopy(parameter.domain)
    return config


def draw(space: Mapping[str, Any], rng: np.random.Generator, index: int = 0) -> Config:
    """Draw a config; parameters with a Grid take their values in turn, by the index."""
    points = combination({name: domain for name, domain in space.items() if isinstance(domain, Grid)}, index)

    def pick(parameter: ParameterPath) -> Value:
        if not parameter.when and parameter.name in points:
            return points[parameter.name]
        return parameter.domain.draw(rng)  # type: ignore[no-any-return]

    return compose(space, pick)


def perturb(
    space: Mapping[str, Any],
    config: Mapping[str, Value],
    rng: np.random.Generator,
    *,
    names: Collection[str] | None = None,
    resample_probability: float,
    factors: Sequence[float] = (1.2, 0.8),
) -> Config:
    """Explore around a config, as in population based training (Jaderberg et al. 2017, section 4.1.1).

    Only the named parameters change; all without names.
    """

    def pick(parameter: ParameterPath) -> Value:
        domain = parameter.domain
        # After a change of the space, the config may have no value of the domain.
        known = parameter.name in config and parameter.is_present(config) and domain.contains(config[parameter.name])
        if known and names is not None and parameter.name not in names:
            return config[parameter.name]
        if not known or rng.random() < resample_probability:
            return domain.draw(rng)  # type: ignore[no-any-return]
        return domain.perturb(config[parameter.name], factors[int(rng.integers(len(factors)))])  # type: ignore[no-any-return]

    return compose(space, pick)


def combinations(space: Mapping[str, Any]) -> int | None:
    """The number of configs of a space; None if it is infinite because a real number is drawn."""
    counts = [_count(domain) for domain in space.values()]
    return None if None in counts else math.prod(count for count in counts if count is not None)


def combination(space: Mapping[str, Any], index: int) -> Config:
    digits: dict[str, int] = {}
    for name, domain in reversed(space.items()):  # type: ignore[call-overload]
        index, digits[name] = divmod(index, _count(domain) or 1)
    config: Config = {}
    for name, domain in space.items():
        digit = digits[name]
        if isinstance(domain, Switch):
            for branch, inner in domain.branches.items():
                if digit < (size := combinations(inner) or 1):
                    config |= {name: branch, **combination(inner, digit)}
                    break
                digit -= size
        else:
            config[name] = domain.nth(digit) if isinstance(domain, CountableDomain) else deepcopy(domain)
    return config


def _count(domain: Any) -> int | None:
    if isinstance(domain, Switch):
        counts = [combinations(inner) for inner in domain.branches.values()]
        return None if None in counts else sum(count for count in counts if count is not None)
    if isinstance(domain, CountableDomain):
        return domain.count
    return None if isinstance(domain, Domain) else 1


class Cube:
    """A space as a unit cube, for many configs together: its parameters are the sides, and a config is a place."""

    def __init__(self, space: Mapping[str, Any]) -> None:
        self.space = space
        self._parameters = drawn_parameters(space)
        self._side_of = {parameter.path: side for side, parameter in enumerate(self._parameters)}
        domains = [parameter.domain for parameter in self._parameters]
        self._sizes = [domain.count if isinstance(domain, ListedDomain) else 0 for domain in domains]
        self._ranks = [_ranks(domain) for domain in domains]
        self.sides = len(domains)
        axes = [1 if ranks is not None else size or 1 for size, ranks in zip(self._sizes, self._ranks, strict=True)]
        self.groups: npt.NDArray[np.int64] = np.repeat(np.arange(self.sides), axes or 0)
        """For each axis of a point, the number of its side."""
        # For each side, the sides of the switches above, each with the number of the branch.
        self._switches = [
            [self._switch(each.when[:depth], *pair) for depth, pair in enumerate(each.when)]
            for each in self._parameters
        ]

    def _switch(self, when: When, switch: str, branch: str) -> tuple[int, int]:
        side = self._side_of[ParameterPath(switch, None, when).path]
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
        """Places in the cube as points for a process, the middle for what is absent.

        Listed numbers have an order, and one axis; of other listed values each has its own.
        """
        sizes = np.array(self._sizes)
        numbers = np.minimum(np.nan_to_num(units) * sizes, sizes - 1).astype(int)
        columns = [np.empty((len(units), 0))]
        for side, size in enumerate(self._sizes):
            there = np.ones(len(units), bool)
            for switch, branch in self._switches[side]:
                there &= numbers[:, switch] == branch
            if (ranks := self._ranks[side]) is not None:
                columns.append(np.where(there, ranks[numbers[:, side]], 0.5)[:, None])
            elif size:
                columns.append((numbers[:, side, None] == np.arange(size)) & there[:, None])
            else:
                columns.append(np.where(there, units[:, side], 0.5)[:, None])
        return np.hstack(columns)

    def distances(self, unit: _Reals, units: _Reals) -> _Reals:
        """Distances of a place from others: Gower's distance (1971), squared for numbers; 0 for the same config."""
        listed = np.array(self._sizes, bool)
        distances = (units - unit) ** 2
        distances[:, listed] = units[:, listed] != unit[listed]
        present, others = ~np.isnan(unit), ~np.isnan(units)
        # A parameter that only one of them has counts as fully different; one that neither has does not count.
        distances[present != others] = 1.0
        distances[~present & ~others] = 0.0
        total: _Reals = distances.sum(axis=1)
        return total

    def neighbours(self, units: _Reals, step: float, rng: np.random.Generator) -> _Reals:
        """A neighbour of each place: numbers move by a normal step, and one in ten listed values is drawn again."""
        moved = np.clip(units + step * rng.normal(size=units.shape), 0.0, 1.0)
        drawn = rng.random(units.shape)
        redrawn = rng.random(units.shape) < _REDRAWN
        moved = np.where(np.array(self._sizes, bool), np.where(redrawn, drawn, units), moved)
        return np.where(np.isnan(units), drawn, moved)

    def config(self, unit: _Reals) -> Config:
        return compose(self.space, lambda each: each.domain.from_unit(float(unit[self._side_of[each.path]])))


def _ranks(domain: Domain) -> _Reals | None:
    """The place of each listed number among them, from 0 to 1; None where the values have no order."""
    if not isinstance(domain, ListedDomain) or any(type(value) not in (int, float) for value in domain.values):
        return None
    ranks: _Reals = np.argsort(np.argsort(domain.values)) / max(domain.count - 1, 1)
    return ranks
