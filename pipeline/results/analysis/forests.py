"""Forests fitted to trials, and again to resampled ones, which say how certain the first one is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.results.analysis.influence import most_influential
from pipeline.results.analysis.random_forest import RandomForest, fit_forest, predicted

_Reals = npt.NDArray[np.float64]

_TREES, _AGAIN, _TREES_AGAIN = 100, 20, 20
_RESAMPLES_OF_R_SQUARED = 200
_MIN_R_SQUARED = 0.1
"""A forest that predicts less is not analysed, nor is one whose interval includes 0."""
_SEED = 0

MAX_AXES = 20
"""The maximum number of hyperparameters in a forest: of more, the most influential ones are chosen."""
_FOLDS, _TREES_OF_FOLD = 5, 50
"""How often trials are divided to predict each of them without choosing hyperparameters by it."""

Sample = tuple[_Reals, _Reals, int]
"""Positions from 0 to 1 by trial and axis, the objective of each trial, and how many axes, the first ones, are chosen
before any other where there are more than `MAX_AXES`."""


@dataclass(frozen=True, slots=True)
class Forests:
    """Forests of the same trials."""

    whole: RandomForest
    axes: Sequence[int]
    again: Sequence[RandomForest]
    r_squared: float
    low: float
    high: float
    r_squared_again: Sequence[float]


Fit = Callable[[Sequence[Sample]], Callable[[], Sequence[Forests]]]
"""Starts to fit forests to samples of trials; what it returns waits for them."""


def fit_here(samples: Sequence[Sample]) -> Callable[[], Sequence[Forests]]:
    """Fit forests in this process."""
    return lambda: [forests(*sample) for sample in samples]


def forests(units: _Reals, values: _Reals, first: int) -> Forests:
    """Fit a forest to trials, and 20 to resampled ones if it predicts enough."""
    axes = most_influential(units, values, MAX_AXES, first)
    chosen = units[:, axes]
    whole = fit_forest(chosen, values, trees=_TREES, seed=_SEED)
    unseen = whole.unseen if len(axes) == units.shape[1] else _unseen(units, values, first)
    rng = np.random.default_rng(_SEED)
    samples = rng.integers(0, len(values), (_RESAMPLES_OF_R_SQUARED, len(values)))
    explained = r_squared(values, unseen)
    drawn = np.array([r_squared(values[sample], unseen[sample]) for sample in samples])
    low, high = interval(drawn, explained)
    if explained < _MIN_R_SQUARED or low <= 0 or whole.variance == 0:
        return Forests(whole, axes.tolist(), (), explained, low, high, ())
    again = [
        fit_forest(chosen[sample], values[sample], trees=_TREES_AGAIN, seed=turn, whole=False)
        for turn, sample in enumerate(samples[:_AGAIN])
    ]
    return Forests(whole, axes.tolist(), again, explained, low, high, np.clip(drawn[:_AGAIN], 0, 1).tolist())


def _unseen(units: _Reals, values: _Reals, first: int) -> _Reals:
    """Predictions for each trial by forests that have not seen it, whose axes were chosen without it, too.

    Among hundreds of axes, some fit the values by chance. Had a trial part in their choice, the forest would seem to
    predict it.
    """
    unseen, fold = np.empty(len(values)), np.arange(len(values)) % _FOLDS
    for number in range(_FOLDS):
        known, other = fold != number, fold == number
        axes = most_influential(units[known], values[known], MAX_AXES, first)
        unseen[other] = predicted(
            units[known][:, axes], values[known], units[other][:, axes], trees=_TREES_OF_FOLD, seed=number
        )
    return unseen


def r_squared(values: _Reals, unseen: _Reals) -> float:
    """The share of the variance of values that predictions explain (R²); 0 if all values are the same."""
    # Scaled, so that squares of large losses stay finite.
    scale = float(np.abs(values).max()) or 1.0
    whole = float(((values / scale - (values / scale).mean()) ** 2).sum())
    return 1 - float(((values / scale - unseen / scale) ** 2).sum()) / whole if whole > 0 else 0.0


def interval(found: _Reals, value: float) -> tuple[float, float]:
    """The 90% interval of a value."""
    low, high = np.quantile(found, [0.05, 0.95])
    return min(float(low), value), max(float(high), value)
