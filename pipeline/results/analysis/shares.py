"""What each hyperparameter, and each pair of them, accounts for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.space import ParameterPath
from pipeline.space.walk import When

__all__ = ["MIN_SHARE", "Effect", "Importance", "Pair"]

_Reals = npt.NDArray[np.float64]

MIN_SHARE = 0.005
"""A smaller share is written as 0%: it may be nothing."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What one hyperparameter does.

    Args:
        parameter: The hyperparameter and its path in the space.
        share: Its share of the objective's variance, from 0 to 1: what it does by itself, the others averaged out.
        low: Lower end of a 90% interval of it.
        high: Upper end.
        of_forest: Its share of the forest's variance.
        best: Where the objective is best, in words: the value, or the span of the best quarter; None if the share
            may be nothing, so that the best value is chance.
        units: Positions from 0 to 1 at which `means` are: the middles of equal parts of its domain.
        means: The objective there, the others averaged out.
        means_low: Lower ends of 90% intervals of them.
        means_high: Upper ends.
    """

    parameter: ParameterPath
    share: float
    low: float
    high: float
    of_forest: float
    best: str | None
    units: _Reals
    means: _Reals
    means_low: _Reals
    means_high: _Reals


@dataclass(frozen=True, slots=True)
class Pair:
    """What two hyperparameters do together beyond what each does by itself.

    Args:
        names: Both.
        share: Their share of the objective's variance.
        low: Lower end of a 90% interval of it.
        high: Upper end.
        of_forest: Their share of the forest's variance.
    """

    names: tuple[str, str]
    share: float
    low: float
    high: float
    of_forest: float

    @property
    def clear(self) -> bool:
        """Whether the share is more than nothing."""
        return self.share >= MIN_SHARE


@dataclass(frozen=True, slots=True)
class Importance:
    """What mattered among trials that have the same hyperparameters.

    Args:
        when: On which branches of which switches they are; empty for all trials.
        trials: How many have a value.
        used: How many of them the forest has seen.
        r_squared: R²: the share of the objective's variance that the forest predicts for trials that it has
            not seen; below 0 if their mean is a better prediction, NaN without a forest.
        r_squared_low: Lower end of its 90% interval.
        r_squared_high: Upper end.
        clipped: How many extreme values were clipped, so that they do not hide all others.
        effects: By hyperparameter, the largest share first; empty without a result.
        pairs: By pair, the largest first.
        note: Why there is no result; empty if there is one.
        left_out: How many hyperparameters were not analysed, because each by itself has less influence on the order of
            trials than those that were.
    """

    when: When
    trials: int
    used: int
    r_squared: float
    r_squared_low: float
    r_squared_high: float
    clipped: int
    effects: Sequence[Effect]
    pairs: Sequence[Pair]
    note: str = ""
    left_out: int = 0
