"""A space: named domains and constants. A config: one value for each."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

import numpy as np
from pydantic import BeforeValidator, Discriminator, Field, Tag

from pipeline.space.choices import Grid
from pipeline.space.domains import Domain
from pipeline.space.values import Config, ReadScalar, Scalar, plain

__all__ = ["Parameter", "Space", "draw", "grid_size", "perturb"]


def _constant_or_domain(value: Any) -> str:
    return "constant" if isinstance(value, bool | int | float | str) else "domain"


Parameter: TypeAlias = Annotated[
    Annotated[ReadScalar, Tag("constant")] | Annotated[Domain, Tag("domain")],
    Discriminator(_constant_or_domain),
    BeforeValidator(plain),
]

# Lower-case and free of quotes: the name becomes the column config_<name> in every table.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]

Space: TypeAlias = dict[Name, Parameter]
"""What is tuned: a domain for each parameter that is drawn, a plain value for each that is fixed."""


def draw(space: Mapping[str, Any], rng: np.random.Generator, index: int = 0) -> Config:
    """Draw a config.

    Args:
        space: The space.
        rng: Where the randomness comes from.
        index: The trial's number, from 0: grid parameters run through their values by it, the last one fastest.

    Returns:
        A value for each parameter, in the order of the space.
    """
    grids = {name: domain.values for name, domain in space.items() if isinstance(domain, Grid)}
    points = dict(zip(grids, _grid_point(list(grids.values()), index), strict=True))
    return {
        name: points[name] if name in points else domain.draw(rng) if hasattr(domain, "draw") else domain
        for name, domain in space.items()
    }


def grid_size(space: Mapping[str, Any]) -> int:
    """How many combinations the grid parameters of `space` have; 1 where there are none."""
    return math.prod(len(domain.values) for domain in space.values() if isinstance(domain, Grid))


def perturb(
    space: Mapping[str, Any], config: Mapping[str, Scalar], rng: np.random.Generator, *, resample_probability: float
) -> Config:
    """Explore around a config, as in population based training (Jaderberg et al. 2017, section 4.1.1).

    Args:
        space: The space.
        config: The config to start from.
        rng: Where the randomness comes from.
        resample_probability: How likely a parameter is drawn anew rather than multiplied by 0.8 or 1.2.

    Returns:
        A new config within the space; constants stay.
    """
    explored: Config = {}
    for name, domain in space.items():
        if not hasattr(domain, "draw"):
            explored[name] = config[name]
        elif rng.random() < resample_probability:
            explored[name] = domain.draw(rng)
        else:
            explored[name] = domain.perturb(config[name], 1.2 if rng.random() < 0.5 else 0.8, rng)
    return explored


def _grid_point(values: list[tuple[Scalar, ...]], index: int) -> tuple[Scalar, ...]:
    point: list[Scalar] = []
    for choices in reversed(values):
        index, place = divmod(index, len(choices))
        point.insert(0, choices[place])
    return tuple(point)
