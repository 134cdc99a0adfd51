"""Configs of a space: a value for each parameter that is present."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, TypeAlias

import numpy as np

from pipeline.space.base import Domain, ListedDomain
from pipeline.space.choices import Grid
from pipeline.space.combinations import combination
from pipeline.space.domains import Switch
from pipeline.space.values import Config, Value
from pipeline.space.walk import ParameterPath, When

__all__ = [
    "Pick",
    "as_drawn",
    "carry_over",
    "compose",
    "draw",
    "explored_space",
    "perturb",
]

Pick: TypeAlias = Callable[[ParameterPath], Value]
"""Returns the value of a parameter that is present."""


def compose(space: Mapping[str, Any], pick: Pick, when: When = ()) -> Config:
    """Compose a config from values of its parameters.

    Args:
        space: The space.
        pick: Returns the value of each drawn parameter that is present; a switch is picked before the parameters of its
            branches.
        when: The branches in which the space itself is.

    Returns:
        A value for each parameter that is present, in the order of the space; those of a branch directly after its
        switch.
    """
    config: Config = {}
    for name, domain in space.items():
        parameter = ParameterPath(name, domain, when)
        config[name] = pick(parameter) if parameter.drawn else deepcopy(domain)
        if isinstance(domain, Switch):
            branch = str(config[name])
            config |= compose(domain.branches[branch], pick, (*when, (name, branch)))
    return config


def draw(space: Mapping[str, Any], rng: np.random.Generator, index: int = 0) -> Config:
    """Draw a config.

    Args:
        space: The space.
        rng: The source of randomness.
        index: The trial's number, from 0: grid parameters take their values in turn by it, the last one fastest. Those
            in a branch are drawn at random, because the order of branches is not known.

    Returns:
        A value for each parameter that is present, in the order of the space.
    """
    grids = {name: domain for name, domain in space.items() if isinstance(domain, Grid)}
    points = combination(grids, index)
    return compose(
        space,
        lambda parameter: (
            points[parameter.name] if not parameter.when and parameter.name in points else parameter.domain.draw(rng)
        ),
    )


def perturb(
    space: Mapping[str, Any],
    config: Mapping[str, Value],
    rng: np.random.Generator,
    *,
    resample_probability: float,
    factors: Sequence[float] = (1.2, 0.8),
) -> Config:
    """Explore around a config, as in population based training (Jaderberg et al. 2017, section 4.1.1).

    Args:
        space: The space.
        config: The config to start from.
        rng: The source of randomness.
        resample_probability: Probability that a parameter is drawn again instead of multiplied by one of the factors; 0
            to 1. A switch is drawn again or keeps its branch. A listed value that the space no longer has is drawn
            again.
        factors: What a number is multiplied by, one of them at random; at least one, each above 0.

    Returns:
        A new config within the space; constants stay, and the parameters of a new branch are drawn.
    """

    def pick(parameter: ParameterPath) -> Value:
        resample = rng.random() < resample_probability
        if resample or not _has(config, parameter):
            return parameter.domain.draw(rng)  # type: ignore[no-any-return]
        factor = factors[int(rng.random() * len(factors))]
        return parameter.domain.perturb(config[parameter.name], factor, rng)  # type: ignore[no-any-return]

    return compose(space, pick)


def carry_over(space: Mapping[str, Any], config: Mapping[str, Value], rng: np.random.Generator) -> Config:
    """A config with the values of a config from before a change of the space; what the space no longer lists is drawn.

    Args:
        space: The space.
        config: A config of this space, or of the space before a change of its domains.
        rng: The source of randomness.

    Returns:
        A value for each parameter that is present. A number may be beyond a changed range.
    """

    def pick(parameter: ParameterPath) -> Value:
        if not _has(config, parameter):
            return parameter.domain.draw(rng)  # type: ignore[no-any-return]
        return config[parameter.name]

    return compose(space, pick)


def explored_space(
    space: Mapping[str, Any], config: Mapping[str, Value], domains: Mapping[str, Domain | None], when: When = ()
) -> dict[str, Any]:
    """The part of a space that is explored around a config: some parameters are drawn, the others have its values.

    Args:
        space: The space.
        config: A config of this space, or of the space before a change of its domains.
        domains: The parameters that are drawn, each with a domain within its own, or None for its own.
        when: The branches in which the space itself is.

    Returns:
        A space in which the other parameters are plain values, those of a switch's branch next to its name. A parameter
        without a value in the config, or with a listed value that the space no longer has, keeps its domain.
    """
    explored: dict[str, Any] = {}
    for name, domain in space.items():
        parameter = ParameterPath(name, domain, when)
        if name in domains and isinstance(domain, Switch):
            inner = domain.branches.items()
            branches = {key: explored_space(each, config, domains, (*when, (name, key))) for key, each in inner}
            explored[name] = Switch(branches)
        elif name in domains and parameter.drawn:
            explored[name] = domain if domains[name] is None else domains[name]
        elif not parameter.drawn or not _has(config, parameter):
            explored[name] = domain
        elif isinstance(domain, Switch):
            branch = str(config[name])
            explored |= {
                name: branch,
                **explored_space(domain.branches[branch], config, domains, (*when, (name, branch))),
            }
        else:
            value = config[name]
            # A number beyond a range that a user has changed since becomes its nearest number.
            explored[name] = value if domain.contains(value) else domain.from_unit(domain.to_unit(value))
    return explored


def as_drawn(space: Mapping[str, Any], config: Mapping[str, Value]) -> Config:
    """A config with each value in the type that its domain draws, as 32 for 32.0 among whole numbers.

    Args:
        space: The space.
        config: A config of that space.
    """
    return compose(space, lambda parameter: parameter.domain.as_drawn(config[parameter.name]))


def _has(config: Mapping[str, Value], parameter: ParameterPath) -> bool:
    """Whether a config has a value from which a parameter can move; after a change of the space it may have none."""
    if not parameter.is_present(config) or parameter.name not in config:
        return False
    return not isinstance(parameter.domain, ListedDomain) or parameter.domain.contains(config[parameter.name])
