"""Configs of a space: one value for each parameter that is there."""

import math
from collections.abc import Callable, Mapping
from itertools import takewhile
from typing import Any, TypeAlias

import numpy as np

from pipeline.space.choices import Choice, Grid
from pipeline.space.domains import Switch
from pipeline.space.values import Config, Scalar
from pipeline.space.walk import Place, When

__all__ = ["Pick", "combination", "combinations", "compose", "draw", "number_of", "perturb"]

Pick: TypeAlias = Callable[[Place], Scalar]
"""Says which value a parameter takes, given that it is there."""


def compose(space: Mapping[str, Any], pick: Pick, when: When = ()) -> Config:
    """Put a config together.

    Args:
        space: The space.
        pick: Is asked for each parameter that is drawn and there, a switch before what stands in its branches.
        when: Where the space stands itself.

    Returns:
        A value for each parameter that is there, in the order of the space; a branch's come right after its switch.
    """
    config: Config = {}
    for name, domain in space.items():
        place = Place(name, domain, when)
        config[name] = pick(place) if place.drawn else domain
        if isinstance(domain, Switch):
            branch = str(config[name])
            config |= compose(domain.branches[branch], pick, (*when, (name, branch)))
    return config


def draw(space: Mapping[str, Any], rng: np.random.Generator, index: int = 0) -> Config:
    """Draw a config.

    Args:
        space: The space.
        rng: Where the randomness comes from.
        index: The trial's number, from 0: grid parameters run through their values by it, the last one fastest. Those
            in a branch are drawn, since nobody knows when it comes.

    Returns:
        A value for each parameter that is there, in the order of the space.
    """
    grids = {name: domain for name, domain in space.items() if isinstance(domain, Grid)}
    points = combination(grids, index)
    return compose(
        space, lambda place: points[place.name] if not place.when and place.name in points else place.domain.draw(rng)
    )


def combinations(space: Mapping[str, Any]) -> int:
    """How many configs a space has whose parameters are all listed or fixed."""
    return math.prod(_size(domain) for domain in space.values())


def combination(space: Mapping[str, Any], index: int) -> Config:
    """A config of a space whose parameters are all listed or fixed.

    Args:
        space: The space.
        index: Its number, from 0; the last parameter runs fastest, branches follow each other, and beyond the last
            the first comes again.
    """
    digits: dict[str, int] = {}
    for name, domain in reversed(list(space.items())):
        index, digits[name] = divmod(index, _size(domain))
    config: Config = {}
    for name, domain in space.items():
        digit = digits[name]
        if isinstance(domain, Switch):
            for branch, inner in domain.branches.items():
                if digit < (size := combinations(inner)):
                    config |= {name: branch, **combination(inner, digit)}
                    break
                digit -= size
        else:
            config[name] = domain.values[digit] if isinstance(domain, Choice | Grid) else domain
    return config


def number_of(space: Mapping[str, Any], config: Mapping[str, Scalar]) -> int:
    """Which combination a config is: the reverse of `combination`.

    Args:
        space: A space whose parameters are all listed or fixed.
        config: A config of that space.
    """
    number = 0
    for name, domain in space.items():
        if isinstance(domain, Switch):
            before = takewhile(config[name].__ne__, domain.branches)
            digit = sum(combinations(domain.branches[other]) for other in before)
            digit += number_of(domain.branches[str(config[name])], config)
        else:
            digit = domain.values.index(config[name]) if isinstance(domain, Choice | Grid) else 0
        number = number * _size(domain) + digit
    return number


def perturb(
    space: Mapping[str, Any], config: Mapping[str, Scalar], rng: np.random.Generator, *, resample_probability: float
) -> Config:
    """Explore around a config, as in population based training (Jaderberg et al. 2017, section 4.1.1).

    Args:
        space: The space.
        config: The config to start from.
        rng: Where the randomness comes from.
        resample_probability: How likely a parameter is drawn anew rather than multiplied by 0.8 or 1.2; a switch is
            drawn anew or stays.

    Returns:
        A new config within the space; constants stay, and what stands in a branch that is new is drawn.
    """

    def pick(place: Place) -> Scalar:
        anew = rng.random() < resample_probability
        if anew or not place.there(config):
            return place.domain.draw(rng)  # type: ignore[no-any-return]
        factor = 1.2 if rng.random() < 0.5 else 0.8
        return place.domain.perturb(config[place.name], factor, rng)  # type: ignore[no-any-return]

    return compose(space, pick)


def _size(domain: Any) -> int:
    if isinstance(domain, Switch):
        return sum(combinations(inner) for inner in domain.branches.values())
    return len(domain.values) if isinstance(domain, Choice | Grid) else 1
