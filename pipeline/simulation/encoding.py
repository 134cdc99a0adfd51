"""Configs as rows of numbers, so that they can be compared whatever their parameters are."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.space import Choice, Config, Grid, Switch, walk

__all__ = ["Encoding"]

_Reals = npt.NDArray[np.float64]


class Encoding:
    """A column for each place of a space where something is drawn.

    Args:
        space: The space.
    """

    def __init__(self, space: Mapping[str, Any]) -> None:
        self.places = [place for place in walk(space) if place.drawn]
        self.listed = np.array([isinstance(place.domain, Choice | Grid | Switch) for place in self.places], bool)

    def row(self, config: Config) -> _Reals:
        """A config as numbers: from 0 to 1 as its domain has them, a listed value's place; NaN for what it has not."""
        there = [place.domain.unit(config[place.name]) if place.there(config) else np.nan for place in self.places]
        return np.array(there, np.float64)

    def distances(self, row: _Reals, rows: _Reals) -> _Reals:
        """How far a config is from others: Gower's distance (1971), squared for numbers; 0 for the same config.

        Args:
            row: The config.
            rows: The others, one a row.
        """
        apart = (rows - row) ** 2
        apart[:, self.listed] = rows[:, self.listed] != row[self.listed]
        here, others = ~np.isnan(row), ~np.isnan(rows)
        # What one of them has and the other has not sets them apart; what neither has does not.
        apart[here != others] = 1.0
        apart[~here & ~others] = 0.0
        total: _Reals = apart.sum(axis=1)
        return total
