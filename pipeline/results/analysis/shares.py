"""What each hyperparameter, and each pair of them, accounts for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.space import ParameterPath, When

_Reals = npt.NDArray[np.float64]

MIN_SHARE = 0.005
"""A smaller share is written as 0%: it may be nothing."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What one hyperparameter does."""

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
    """What two hyperparameters do together beyond what each does by itself."""

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
    """What mattered among trials that have the same hyperparameters."""

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
