"""The search space: parameters with their domains, and configs drawn from them."""

from pipeline.space.base import CountableDomain, Domain, ListedDomain
from pipeline.space.choices import Choice, Grid
from pipeline.space.combinations import combination, combinations, is_continuous, number_of
from pipeline.space.configs import as_drawn, carry_over, compose, draw, explored_space, perturb
from pipeline.space.continuous import LogUniform, Normal, Uniform
from pipeline.space.domains import DOMAINS, AnyDomain, Space, Switch
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
    "carry_over",
    "combination",
    "combinations",
    "compose",
    "conflicts",
    "draw",
    "drawn_names",
    "drawn_parameters",
    "explored_space",
    "fits",
    "flat",
    "is_continuous",
    "key_of",
    "kind_of_value",
    "kinds_of",
    "number_of",
    "perturb",
    "walk",
]
