"""Configs: a value for each parameter that is present, drawn, explored from another config, or counted through."""

import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from enum import IntEnum
from typing import Any

import numpy as np

from pipeline.space.domains import CountableDomain, Domain, ListedDomain
from pipeline.space.parameters import Grid, Switch
from pipeline.space.values import Config, Value
from pipeline.space.walk import ParameterPath, When


class RandomStream(IntEnum):
    """A number in the seeds of random generators, which keeps them apart from those of the searcher's draws.

    Draw number `index` of a searcher has the generator of (seed, index). The numbers here do not change: a study that
    continues draws its configs again.
    """

    START_CONFIGS = 5
    """Completes start configs: (seed, index, 5), with the attempt as a fourth number after the first."""
    FURTHER_CONFIGS = 6
    """Replaces a draw that was tried: (seed, draw, 6), with the attempt as a fourth number. Completes the configs that
    users give to a running study: (seed, checksum of the name, 6); a checksum is rarely as small as a draw's number."""
    POPULATION = 7
    """Chooses donors and explores: (seed, number of the exploit, 7)."""
    SYNTHETIC_CURVES = 11
    """Makes simulated curves: (seed, index, segment, 11). The landscape comes from (seed, 11), as draw number 11 does,
    and each additional objective from (seed, 11, number)."""
    FIRST_VALUES = 12
    """Draws the first values of a program's population, where it changes to others: (seed, index, 12)."""
    COMPARED_CONFIGS = 13
    """Draws the configs whose weights are compared before a study: (seed, 13), as draw number 13 of a searcher."""


def compose(space: Mapping[str, Any], pick: Callable[[ParameterPath], Value], when: When = ()) -> Config:
    """A config in which `pick` chooses the value of each drawn parameter that is present."""
    config: Config = {}
    for name, domain in space.items():
        parameter = ParameterPath(name, domain, when)
        config[name] = pick(parameter) if parameter.drawn else deepcopy(domain)
        if isinstance(domain, Switch):
            branch = str(config[name])
            config |= compose(domain.branches[branch], pick, (*when, (name, branch)))
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
    resample_probability: float,
    factors: Sequence[float] = (1.2, 0.8),
) -> Config:
    """Explore around a config, as in population based training (Jaderberg et al. 2017, section 4.1.1)."""

    def pick(parameter: ParameterPath) -> Value:
        resample = rng.random() < resample_probability
        if resample or not _has(config, parameter):
            return parameter.domain.draw(rng)  # type: ignore[no-any-return]
        factor = factors[int(rng.random() * len(factors))]
        return parameter.domain.perturb(config[parameter.name], factor, rng)  # type: ignore[no-any-return]

    return compose(space, pick)


def carry_over(space: Mapping[str, Any], config: Mapping[str, Value], rng: np.random.Generator) -> Config:
    """A config from before a change of the space; what the space no longer lists is drawn."""
    return compose(space, lambda each: config[each.name] if _has(config, each) else each.domain.draw(rng))


def explored_space(
    space: Mapping[str, Any], config: Mapping[str, Value], domains: Mapping[str, Domain | None], when: When = ()
) -> dict[str, Any]:
    """The part of a space that is explored around a config: some parameters are drawn, the others have its values."""
    explored: dict[str, Any] = {}
    for name, domain in space.items():
        parameter = ParameterPath(name, domain, when)
        if name in domains and isinstance(domain, Switch):
            inner = domain.branches.items()
            explored[name] = Switch(
                {key: explored_space(each, config, domains, (*when, (name, key))) for key, each in inner}
            )
        elif name in domains and parameter.drawn:
            explored[name] = domains[name] or domain
        elif not parameter.drawn or not _has(config, parameter):
            explored[name] = domain
        elif isinstance(domain, Switch):
            branch = str(config[name])
            explored[name] = branch
            explored |= explored_space(domain.branches[branch], config, domains, (*when, (name, branch)))
        else:
            value = config[name]
            # A number beyond a range that a user has changed since becomes its nearest number.
            explored[name] = value if domain.contains(value) else domain.from_unit(domain.to_unit(value))
    return explored


def as_drawn(space: Mapping[str, Any], config: Mapping[str, Value]) -> Config:
    """A config with each value in the type that its domain draws, as 32 for 32.0 among whole numbers."""
    return compose(space, lambda parameter: parameter.domain.as_drawn(config[parameter.name]))


def combinations(space: Mapping[str, Any]) -> int | None:
    """The number of configs of a space; None if it is infinite because a real number is drawn."""
    counts = [_count(domain) for domain in space.values()]
    return None if None in counts else math.prod(count for count in counts if count is not None)


def is_continuous(space: Mapping[str, Any]) -> bool:
    """Whether every config of a space has a drawn real number, so that no two configs are equal."""
    return any(_count(domain) is None and not isinstance(domain, Switch) for domain in space.values())


def combination(space: Mapping[str, Any], index: int) -> Config:
    """One of the configs of a space in which no real number is drawn."""
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


def number_of(space: Mapping[str, Any], config: Mapping[str, Value]) -> int:
    """The number of a config among all combinations: the inverse of `combination`."""
    number = 0
    for name, domain in space.items():
        digit = 0
        if isinstance(domain, Switch):
            for branch, inner in domain.branches.items():
                if branch == config[name]:
                    digit += number_of(inner, config)
                    break
                digit += combinations(inner) or 1
        elif isinstance(domain, CountableDomain):
            digit = domain.number(config[name])
        number = number * (_count(domain) or 1) + digit
    return number


def _count(domain: Any) -> int | None:
    """Number of values of a parameter, those in branches included; None if it is infinite."""
    if isinstance(domain, Switch):
        counts = [combinations(inner) for inner in domain.branches.values()]
        return None if None in counts else sum(count for count in counts if count is not None)
    if isinstance(domain, CountableDomain):
        return domain.count
    return None if isinstance(domain, Domain) else 1


def _has(config: Mapping[str, Value], parameter: ParameterPath) -> bool:
    """Whether a config has a value from which a parameter can move; after a change of the space it may have none."""
    if not parameter.is_present(config) or parameter.name not in config:
        return False
    return not isinstance(parameter.domain, ListedDomain) or parameter.domain.contains(config[parameter.name])
