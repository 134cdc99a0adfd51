"""The search space: what is drawn, from where."""

from pipeline.space.choices import Choice, Grid
from pipeline.space.domains import DOMAINS, Domain
from pipeline.space.numeric import IntUniform, LogUniform, Normal, QUniform, Uniform
from pipeline.space.space import Space, draw, grid_size, perturb
from pipeline.space.values import Config, Scalar

__all__ = [
    "DOMAINS",
    "Choice",
    "Config",
    "Domain",
    "Grid",
    "IntUniform",
    "LogUniform",
    "Normal",
    "QUniform",
    "Scalar",
    "Space",
    "Uniform",
    "draw",
    "grid_size",
    "perturb",
]
