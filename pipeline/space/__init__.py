"""The search space: parameters with their domains, and configs drawn from them."""

from pipeline.space.base import CountableDomain, Domain, ListedDomain
from pipeline.space.choices import Choice, Grid
from pipeline.space.continuous import LogUniform, Normal, Uniform
from pipeline.space.domains import DOMAINS, AnyDomain, Space, Switch
from pipeline.space.space import (
    as_drawn,
    carried_over,
    combination,
    combinations,
    compose,
    draw,
    endless,
    explored_space,
    number_of,
    perturb,
)
from pipeline.space.stepped import IntUniform, QUniform
from pipeline.space.values import Config, Value, key_of
from pipeline.space.walk import (
    ParameterPath,
    conflicts,
    drawn_names,
    drawn_parameters,
    fits,
    flat,
    kind_of_value,
    kinds_of,
    walk,
)

__all__ = [
    "DOMAINS",
    "AnyDomain",
    "Choice",
    "Config",
    "CountableDomain",
    "Domain",
    "Grid",
    "IntUniform",
    "ListedDomain",
    "LogUniform",
    "Normal",
    "ParameterPath",
    "QUniform",
    "Space",
    "Switch",
    "Uniform",
    "Value",
    "as_drawn",
    "carried_over",
    "combination",
    "combinations",
    "compose",
    "conflicts",
    "draw",
    "drawn_names",
    "drawn_parameters",
    "endless",
    "explored_space",
    "fits",
    "flat",
    "key_of",
    "kind_of_value",
    "kinds_of",
    "number_of",
    "perturb",
    "walk",
]
