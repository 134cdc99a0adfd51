"""Configs as rows of numbers, which can be compared whatever their parameters are."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.space import Config, Cube, ListedDomain, drawn_parameters

_Reals = npt.NDArray[np.float64]


class Encoding:
    """A column for each drawn parameter of a space."""

    def __init__(self, space: Mapping[str, Any]) -> None:
        self._cube, self.parameters = Cube(space), drawn_parameters(space)
        self.listed = np.array([isinstance(parameter.domain, ListedDomain) for parameter in self.parameters], bool)

    def row(self, config: Config) -> _Reals:
        """A config as numbers from 0 to 1, one for each drawn parameter; NaN for parameters that it does not have."""
        row: _Reals = self._cube.units([config])[0]
        return row

    def distances(self, row: _Reals, rows: _Reals) -> _Reals:
        """Distances of a config from others: Gower's distance (1971), squared for numbers; 0 for the same config."""
        distances = (rows - row) ** 2
        distances[:, self.listed] = rows[:, self.listed] != row[self.listed]
        present, others = ~np.isnan(row), ~np.isnan(rows)
        # A parameter that only one of them has counts as fully different; one that neither has does not count.
        distances[present != others] = 1.0
        distances[~present & ~others] = 0.0
        total: _Reals = distances.sum(axis=1)
        return total
