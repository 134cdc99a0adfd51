"""Which hyperparameters matter, alone and in pairs, and where the objective is best: by a random forest.

The forest's prediction over the unit cube is decomposed as F. Hutter, H. Hoos and K. Leyton-Brown do (An Efficient
Approach for Assessing Hyperparameter Importance, ICML 2014), with means over random points instead of exact ones.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pipeline.results.analysis.parameters import OBJECTIVE, format_value, scored_columns
from pipeline.results.tables.load import Results, cache_per_results
from pipeline.space import ListedDomain, ParameterPath, When
from pipeline.text import percent

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestRegressor

_Reals = npt.NDArray[np.float64]

MIN_SHARE = 0.005
"""A smaller share is written as 0%: it may be nothing."""

_MAX_TRIALS, _MIN_TRIALS, _MAX_NEEDED, _MAX_EFFECTS = 600, 12, 60, 20
_TREES, _RESAMPLES, _TREES_OF_RESAMPLE, _R_SQUARED_RESAMPLES = 100, 20, 20, 200
_POINTS, _MIN_R_SQUARED = 16384, 0.1
_CELLS, _PAIR_CELLS = 24, 12


@dataclass(frozen=True, slots=True)
class Effect:
    """The share of the objective's variance that a hyperparameter accounts for, with the values for which the objective
    is `best`; or that two account for together, beyond what each does by itself.
    """

    names: Sequence[str]
    share: float
    low: float
    high: float
    best: str | None = None


@dataclass(frozen=True, slots=True)
class Importance:
    """What mattered among the trials that have the same hyperparameters, or why that is not known (`note`): single
    hyperparameters, and pairs whose share can be seen, the largest share first.
    """

    when: When
    trials: int
    note: str = ""
    used: int = 0
    r_squared: float = math.nan
    low: float = math.nan
    high: float = math.nan
    clipped: int = 0
    effects: Sequence[Effect] = ()
    pairs: Sequence[Effect] = ()


@cache_per_results
def importances(results: Results) -> list[Importance]:
    """Shares of the objective's variance that hyperparameters and pairs of them account for.

    A share is that of the variance of a random forest, times the share of the objective's variance that the forest
    predicts for trials it has not seen. If it predicts too little to exclude chance, there is no result. A trial counts
    with its best value, even if it was stopped early, and the config in force there. Hyperparameters that only some
    trials have are analysed among those trials. Intervals come from forests and predictions of resampled trials.
    """
    drawn = [one for one in results.parameters if one.drawn and _cells(one, 2) > 1]
    present = {parameter.when for parameter in drawn}
    order = dict.fromkeys([(), *(parameter.when for parameter in results.parameters)])
    return [_importance(results, drawn, when) for when in order if when in present]


def _importance(results: Results, drawn: Sequence[ParameterPath], when: When) -> Importance:
    columns, where, mode = scored_columns(results), " there" if when else "", results.objective.mode
    # Of the branch itself first, then those of the branches around it, which every trial here has too.
    around = [each for each in drawn if set(each.when) <= set(when) and each.name not in dict(when)]
    axes = sorted(around, key=lambda axis: axis.when != when)
    units = np.array([_units(axis, columns[axis.name]) for axis in axes]).reshape(len(axes), -1).T
    there = np.isfinite(units).all(axis=1)
    for switch, branch in when:
        there &= np.array([value == branch for value in columns[switch]], np.bool_)
    units, values = units[there], np.array(columns[OBJECTIVE], np.float64)[there]
    count, needed = len(values), max(_MIN_TRIALS, min(3 * len(axes), _MAX_NEEDED))
    if count < needed:
        return Importance(when, count, f"Too few trials{where} with a value: {count}; at least {needed} are needed.")
    if values.min() == values.max():
        return Importance(when, count, f"All {count} trials{where} have the same value.")
    values, clipped = _clipped(values, mode)
    # Squares of scaled values stay finite, and are not too small for a tree.
    scale = float(np.abs(values).max()) or 1.0
    chosen = np.linspace(0, count - 1, min(count, _MAX_TRIALS)).round().astype(int)
    units, values = units[chosen], values[chosen] / scale
    forest = _fitted(units, values, _TREES, 0)
    samples = np.random.default_rng(0).integers(0, len(values), (_R_SQUARED_RESAMPLES, len(values)))
    r_squared, *again = (_r_squared(values[one], forest.oob_prediction_[one]) for one in (slice(None), *samples))
    low, high = _interval(again, r_squared)
    found = Importance(when, count, "", len(values), r_squared, low, high, clipped)
    if r_squared < _MIN_R_SQUARED or low <= 0:
        share = percent(r_squared) if r_squared > 0 else "none"
        note = (
            f"No conclusion is possible: a random forest predicts {share} of the differences between {count} trials"
            f"{where} that it has not seen (90% interval {percent(low)} to {percent(high)}), which may be chance."
        )
        return replace(found, note=note)
    forests = [forest]
    forests += [
        _fitted(units[one], values[one], _TREES_OF_RESAMPLE, turn) for turn, one in enumerate(samples[:_RESAMPLES])
    ]
    cube = _Cube(forests, np.array([r_squared, *np.clip(again[:_RESAMPLES], 0, 1)]), len(axes))
    effects = {place: _effect(axis, place, cube, mode) for place, axis in enumerate(axes)}
    most = sorted(effects, key=lambda place: -effects[place].share)[:_MAX_EFFECTS]
    pairs = [
        Effect((axes[one].name, axes[other].name), *cube.shares(cube.beyond(axes, one, other)))
        for one, other in combinations(sorted(most), 2)
        if when in (axes[one].when, axes[other].when)
    ]
    seen = sorted((pair for pair in pairs if pair.share >= MIN_SHARE), key=lambda pair: -pair.share)
    return replace(found, effects=[effects[place] for place in most if axes[place].when == when], pairs=seen)


def _units(axis: ParameterPath, values: Any) -> list[float]:
    """The position of each value from 0 to 1; NaN where there is none: the domain may have been another one."""

    def unit(value: Any) -> float:
        try:
            return min(max(float(axis.domain.to_unit(value)), 0.0), 1.0) if value == value else math.nan
        except (TypeError, ValueError):
            return math.nan

    return [unit(value) for value in values]


def _clipped(values: _Reals, mode: str) -> tuple[_Reals, int]:
    """Values, clipped at the bad end, at three interquartile ranges; unchanged if most values are the same."""
    sign = 1.0 if mode == "max" else -1.0
    first, third = np.quantile(sign * values, [0.25, 0.75])
    edge = first - 3 * (third - first) if third > first else -math.inf
    far = sign * values < edge
    return np.where(far, sign * edge, values), int(far.sum())


def _fitted(units: _Reals, values: _Reals, trees: int, seed: int) -> "RandomForestRegressor":
    from sklearn.ensemble import RandomForestRegressor

    # Of hundreds of trees, each trial is unseen by some; of a resample, predictions of unseen trials are not needed.
    forest = RandomForestRegressor(
        trees, min_samples_leaf=2, max_features=0.7, oob_score=trees == _TREES, random_state=seed
    )
    return forest.fit(units, values)


def _r_squared(values: _Reals, unseen: _Reals) -> float:
    """The share of the variance of values that predictions explain; 0 if all values are the same."""
    whole = float(((values - values.mean()) ** 2).sum())
    return 1 - float(((values - unseen) ** 2).sum()) / whole if whole > 0 else 0.0


def _interval(found: Sequence[float] | _Reals, value: float) -> tuple[float, float]:
    low, high = np.quantile(found, [0.05, 0.95])
    return min(float(low), value), max(float(high), value)


def _cells(axis: ParameterPath, number: int) -> int:
    return len(axis.domain.values) if isinstance(axis.domain, ListedDomain) else number


class _Cube:
    """Predictions of a forest, and of those of resampled trials, at points of the unit cube; each axis is stratified,
    so that its cells have equally many points. `predicted` is the share of the variance that each forest predicts.
    """

    def __init__(self, forests: "Sequence[RandomForestRegressor]", predicted: _Reals, axes: int) -> None:
        rng = np.random.default_rng(0)
        places = np.stack([rng.permutation(_POINTS) for _ in range(axes)], axis=1)
        self._units, self._predicted = (places + rng.random(places.shape)) / _POINTS, predicted
        self._values = np.stack([forest.predict(self._units) for forest in forests])
        self._variances = self._values.var(axis=1)

    def along(self, axis: int, cells: int) -> tuple[_Reals, _Reals]:
        """The mean within each of equal parts of an axis, over all other axes, by forest and part; and the variance of
        these means, by forest.
        """
        means, noise = self._means((self._units[:, axis] * cells).astype(int), cells)
        return means, np.maximum(means.var(axis=1) - noise, 0.0)

    def beyond(self, axes: Sequence[ParameterPath], one: int, other: int) -> _Reals:
        """The variance of the means over two axes beyond that of each, by forest."""
        rows, columns = (min(_cells(axes[place], _PAIR_CELLS), _PAIR_CELLS) for place in (one, other))
        cells = (self._units[:, one] * rows).astype(int) * columns + (self._units[:, other] * columns).astype(int)
        means, noise = self._means(cells, rows * columns)
        grid = means.reshape(-1, rows, columns)
        apart = grid - grid.mean(axis=1, keepdims=True) - grid.mean(axis=2, keepdims=True)
        beyond: _Reals = np.maximum(apart.var(axis=(1, 2)) - noise, 0.0)
        return beyond

    def _means(self, cells: npt.NDArray[np.int64], count: int) -> tuple[_Reals, _Reals]:
        """The means within cells, by forest and cell, and the variance that they have by chance."""
        counts = np.maximum(np.bincount(cells, minlength=count), 1)
        means = np.stack([np.bincount(cells, values, minlength=count) for values in self._values]) / counts
        return means, (self._variances - means.var(axis=1)) * np.mean(1 / counts)

    def shares(self, variances: _Reals) -> tuple[float, float, float]:
        """The share of the objective's variance that one variance of each forest is, and the ends of its interval."""
        ratios = np.divide(variances, self._variances, out=np.zeros(len(variances)), where=self._variances > 0)
        first, *others = self._predicted * np.clip(ratios, 0, 1)
        return float(first), *_interval(others, float(first))


def _effect(axis: ParameterPath, place: int, cube: _Cube, mode: str) -> Effect:
    cells = _cells(axis, _CELLS)
    along, variances = cube.along(place, cells)
    share, low, high = cube.shares(variances)
    values = [axis.domain.from_unit(float(unit)) for unit in (np.arange(cells) + 0.5) / cells]
    best = _best_range(axis.domain, values, along[0], mode) if low >= MIN_SHARE else None
    return Effect([axis.name], share, low, high, best)


def _best_range(domain: Any, values: Sequence[Any], means: _Reals, mode: str) -> str:
    """Where means along a domain are best, in words: the value, or the span of the best quarter."""
    height = means if mode == "max" else -means
    if isinstance(domain, ListedDomain):
        return format_value(values[int(height.argmax())])
    edge = height.min() + 0.75 * (height.max() - height.min())
    good = [value for value, each in zip(values, height, strict=True) if each >= edge]
    return " to ".join(dict.fromkeys((format_value(good[0]), format_value(good[-1]))))
