"""The search space: what is drawn, from where."""

from pipeline.space.choices import Choice, Grid
from pipeline.space.domains import DOMAINS, Domain, Space, Switch
from pipeline.space.numeric import IntUniform, LogUniform, Normal, QUniform, Uniform
from pipeline.space.space import combination, combinations, compose, draw, number_of, perturb
from pipeline.space.values import Config, Scalar
from pipeline.space.walk import Place, conflicts, fits, flat, walk

__all__ = [
    "DOMAINS",
    "Choice",
    "Config",
    "Domain",
    "Grid",
    "IntUniform",
    "LogUniform",
    "Normal",
    "Place",
    "QUniform",
    "Scalar",
    "Space",
    "Switch",
    "Uniform",
    "combination",
    "combinations",
    "compose",
    "conflicts",
    "draw",
    "fits",
    "flat",
    "number_of",
    "perturb",
    "walk",
]
