"""The search space: what is drawn, from where."""

from pipeline.space.domains import (
    Choice,
    Domain,
    Grid,
    IntUniform,
    LogUniform,
    Normal,
    QUniform,
    Scalar,
    Uniform,
)
from pipeline.space.space import Config, Space, draw, grid_size, perturb

__all__ = [
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
