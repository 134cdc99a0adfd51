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

Pick: TypeAlias = Callable[[ParameterPath], Value]
"""Returns the value of a parameter that is present."""


def compose(space: Mapping[str, Any], pick: Pick, when: When = ()) -> Config:
    """Compose a config from values of its parameters."""
    config: Config = {}
    for name, domain in space.items():
        parameter = ParameterPath(name, domain, when)
        config[name] = pick(parameter) if parameter.drawn else deepcopy(domain)
        if isinstance(domain, Switch):
            branch = str(config[name])
            config |= compose(domain.branches[branch], pick, (*when, (name, branch)))
    return config


def draw(space: Mapping[str, Any], rng: np.random.Generator, index: int = 0) -> Config:
    """Draw a config."""
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
    """Explore around a config, as in population based training (Jaderberg et al. 2017, section 4.1.1)."""

    def pick(parameter: ParameterPath) -> Value:
        resample = rng.random() < resample_probability
        if resample or not _has(config, parameter):
            return parameter.domain.draw(rng)  # type: ignore[no-any-return]
        factor = factors[int(rng.random() * len(factors))]
        return parameter.domain.perturb(config[parameter.name], factor, rng)  # type: ignore[no-any-return]

    return compose(space, pick)


def carry_over(space: Mapping[str, Any], config: Mapping[str, Value], rng: np.random.Generator) -> Config:
    """A config with the values of a config from before a change of the space; what the space no longer lists is
    drawn.
    """

    def pick(parameter: ParameterPath) -> Value:
        if not _has(config, parameter):
            return parameter.domain.draw(rng)  # type: ignore[no-any-return]
        return config[parameter.name]

    return compose(space, pick)


def explored_space(
    space: Mapping[str, Any], config: Mapping[str, Value], domains: Mapping[str, Domain | None], when: When = ()
) -> dict[str, Any]:
    """The part of a space that is explored around a config: some parameters are drawn, the others have its values."""
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
    """A config with each value in the type that its domain draws, as 32 for 32.0 among whole numbers."""
    return compose(space, lambda parameter: parameter.domain.as_drawn(config[parameter.name]))


def _has(config: Mapping[str, Value], parameter: ParameterPath) -> bool:
    """Whether a config has a value from which a parameter can move; after a change of the space it may have none."""
    if not parameter.is_present(config) or parameter.name not in config:
        return False
    return not isinstance(parameter.domain, ListedDomain) or parameter.domain.contains(config[parameter.name])
