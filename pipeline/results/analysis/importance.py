"""Which hyperparameters matter, alone and in pairs, and how the objective depends on each: by a random forest.

A tree cuts the unit cube into boxes and gives each a value; averages over the other axes are exact sums over those
boxes (F. Hutter, H. Hoos, K. Leyton-Brown: An Efficient Approach for Assessing Hyperparameter Importance, ICML 2014).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.results.analysis.parameters import OBJECTIVE, format_value, ranks, scored_columns, share_between
from pipeline.results.light_imports import light_imports
from pipeline.results.tables.load import Results, cache_per_results
from pipeline.space import ListedDomain, ParameterPath, When
from pipeline.text import percent, percent_interval

_Reals = npt.NDArray[np.float64]

MIN_SHARE = 0.005
"""A smaller share is written as 0%: it may be nothing."""

MAX_AXES = 20
"""The maximum number of hyperparameters in a forest: of more, the most influential ones are chosen."""

_MAX_TRIALS, _MIN_TRIALS = 600, 12
_TREES, _RESAMPLES, _TREES_OF_RESAMPLE, _R_SQUARED_RESAMPLES = 100, 20, 20, 200
_FOLDS, _POINTS, _MIN_R_SQUARED = 5, 4096, 0.1
_CELLS, _PAIR_CELLS, _MAX_PAIR_CELLS, _MAX_VALUES = 24, 12, 200, 8


@dataclass(frozen=True, slots=True)
class Effect:
    """What one hyperparameter does: its share of the objective's variance, and the mean objective along it."""

    parameter: ParameterPath
    share: float
    low: float
    high: float
    best: str | None
    values: Sequence[Any]
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


@dataclass(frozen=True, slots=True)
class Importance:
    """What mattered among the trials that have the same hyperparameters, or why that is not known (`note`)."""

    when: When
    trials: int
    note: str = ""
    used: int = 0
    r_squared: float = math.nan
    low: float = math.nan
    high: float = math.nan
    clipped: int = 0
    left_out: int = 0
    effects: Sequence[Effect] = ()
    pairs: Sequence[Pair] = ()


@cache_per_results
def importances(results: Results) -> list[Importance]:
    """Shares of the objective's variance that hyperparameters and pairs of them account for, and their curves.

    A share is that of the variance of a random forest, times the share of the objective's variance that the forest
    predicts for trials it has not seen. If it predicts too little to exclude chance, there is no result. A trial counts
    with its best value, even if it was stopped early, and the config in force there. Hyperparameters that only some
    trials have are analysed among those trials. Intervals come from forests and predictions of resampled trials.
    """
    drawn = [
        parameter for parameter in results.parameters
        if parameter.drawn and not (isinstance(parameter.domain, ListedDomain) and len(parameter.domain.values) < 2)
    ]  # fmt: skip
    columns, present = scored_columns(results), {parameter.when for parameter in drawn}
    order = dict.fromkeys([(), *(parameter.when for parameter in results.parameters)])
    return [_importance(results, columns, drawn, when) for when in order if when in present]


def _importance(
    results: Results, columns: Mapping[str, Sequence[Any]], drawn: Sequence[ParameterPath], when: When
) -> Importance:
    there, where = np.ones(len(columns[OBJECTIVE]), np.bool_), " there" if when else ""
    for switch, branch in when:
        there &= np.array([value == branch for value in columns[switch]], np.bool_)
    # Of the branch itself first, then those of the branches around it, which every trial here has too.
    around = [each for each in drawn if set(each.when) <= set(when) and each.name not in dict(when)]
    axes = sorted(around, key=lambda axis: axis.when != when)
    units = np.array([_units(axis, columns[axis.name]) for axis in axes]).reshape(len(axes), -1).T
    there &= np.isfinite(units).all(axis=1)
    units, values = units[there], np.array(columns[OBJECTIVE], np.float64)[there]
    count, needed = len(values), max(_MIN_TRIALS, 3 * min(len(axes), MAX_AXES))
    if count < needed:
        return Importance(when, count, f"Too few trials{where} with a value: {count}; at least {needed} are needed.")
    if values.min() == values.max():
        return Importance(when, count, f"All {count} trials{where} have the same value.")
    values, clipped = _clipped(values, results.objective.mode)
    # Squares of scaled values stay finite, and are not too small for a tree.
    scale = float(np.abs(values).max()) or 1.0
    values = values / scale
    chosen = np.linspace(0, count - 1, min(count, _MAX_TRIALS)).round().astype(int)
    units, values, own = units[chosen], values[chosen], sum(axis.when == when for axis in axes)
    places = _influential(units, values, own)
    whole = _Forest(units[:, places], values, _TREES, 0)
    unseen = whole.unseen if len(places) == len(axes) else _unseen(units, values, own)
    samples = np.random.default_rng(0).integers(0, len(values), (_R_SQUARED_RESAMPLES, len(values)))
    r_squared, again_r = _r_squared(values, unseen), [_r_squared(values[one], unseen[one]) for one in samples]
    low, high = _interval(again_r, r_squared)
    found = Importance(when, count, "", len(values), r_squared, low, high, clipped)
    if r_squared < _MIN_R_SQUARED or low <= 0 or not whole.variance:
        share = percent(r_squared) if r_squared > 0 else "none"
        note = (
            f"No conclusion is possible: a random forest predicts {share} of the differences between {count} trials"
            f"{where} that it has not seen (90% interval {percent_interval(low, high)}), which may be chance."
        )
        return replace(found, note=note)
    again = [
        _Forest(units[sample][:, places], values[sample], _TREES_OF_RESAMPLE, turn)
        for turn, sample in enumerate(samples[:_RESAMPLES])
    ]
    shares = _Shares([whole, *again], np.array([r_squared, *np.clip(again_r[:_RESAMPLES], 0, 1)]))
    effects, pairs = list[Effect](), list[Pair]()
    shown = [axes[place] for place in places]
    for place, axis in enumerate(shown):
        if axis.when == when:
            effects.append(_effect(axis, place, shares, results.objective.mode, scale))
    for one, other in combinations(range(len(shown)), 2):
        if when in (shown[one].when, shown[other].when):
            cells = [_cells(shown[place], _PAIR_CELLS, _MAX_PAIR_CELLS) for place in (one, other)]
            beyond = [_beyond(forest.across(one, other, cells)) for forest in shares.forests]
            pairs.append(Pair((shown[one].name, shown[other].name), *shares.of(beyond)))
    return replace(
        found,
        left_out=own - len(effects),
        effects=sorted(effects, key=lambda effect: -effect.share),
        pairs=sorted(pairs, key=lambda pair: -pair.share),
    )


def _units(axis: ParameterPath, values: Any) -> list[float]:
    """The position of each value from 0 to 1; NaN where there is none: the domain may have been another one."""
    met: dict[tuple[type, str], float] = {}

    def unit(value: Any) -> float:
        key = type(value), repr(value)
        if key not in met:
            try:
                met[key] = min(max(float(axis.domain.to_unit(value)), 0.0), 1.0) if value == value else math.nan
            except (TypeError, ValueError):
                met[key] = math.nan
        return met[key]

    return [unit(value) for value in values]


def _clipped(values: _Reals, mode: str) -> tuple[_Reals, int]:
    """Values, clipped at the bad end, at three interquartile ranges; unchanged if most values are the same."""
    sign = 1.0 if mode == "max" else -1.0
    first, third = np.quantile(sign * values, [0.25, 0.75])
    edge = first - 3 * (third - first) if third > first else -math.inf
    far = sign * values < edge
    return np.where(far, sign * edge, values), int(far.sum())


def _influential(units: _Reals, values: _Reals, own: int) -> npt.NDArray[np.int64]:
    """The axes of a forest: all, or those with the most influence on ranks, of which the first `own` come first."""
    count = units.shape[1]
    if count <= MAX_AXES:
        return np.arange(count)
    ranked = ranks(values)
    shares = np.array([share_between(column, ranked) for column in units.T])
    return np.sort(np.lexsort((np.arange(count), -shares, np.arange(count) >= own))[:MAX_AXES])


def _unseen(units: _Reals, values: _Reals, own: int) -> _Reals:
    """Predictions for each trial by forests whose axes were chosen without it: among hundreds, some fit by chance."""
    unseen, fold = np.empty(len(values)), np.arange(len(values)) % _FOLDS
    for number in range(_FOLDS):
        known, other = fold != number, fold == number
        places = _influential(units[known], values[known], own)
        forest = _Forest(units[known][:, places], values[known], _TREES // 2, number)
        unseen[other] = forest.predict(units[other][:, places])
    return unseen


def _r_squared(values: _Reals, unseen: _Reals) -> float:
    """The share of the variance of values that predictions explain; 0 if all values are the same."""
    whole = float(((values - values.mean()) ** 2).sum())
    return 1 - float(((values - unseen) ** 2).sum()) / whole if whole > 0 else 0.0


def _interval(found: Sequence[float] | _Reals, value: float) -> tuple[float, float]:
    low, high = np.quantile(found, [0.05, 0.95])
    return min(float(low), value), max(float(high), value)


class _Forest:
    """A random forest as boxes of the unit cube with the mass (value times volume) of each, its predictions for the
    rows that a tree has not seen, and its variance over the cube.
    """

    def __init__(self, units: _Reals, values: _Reals, count: int, seed: int) -> None:
        # Its trees are a small part of scikit-learn: with all that they could use, they take twice as long to import.
        with light_imports(
            hidden=["pandas"],
            deferred=["numpy.f2py", "numpy.testing", "scipy.stats"],
            empty=["scipy.special", "sklearn.neighbors"],
        ):
            from sklearn import config_context
            from sklearn.tree import DecisionTreeRegressor

        rows, axes, rng = np.ascontiguousarray(units, np.float32), units.shape[1], np.random.RandomState(seed)
        trees, total, unused = [], np.zeros(len(rows)), np.zeros(len(rows))
        with config_context(skip_parameter_validation=True):
            for own in rng.randint(np.iinfo(np.int32).max, size=count).tolist():
                drawn = np.bincount(np.random.RandomState(own).randint(0, len(rows), len(rows)), minlength=len(rows))
                tree = DecisionTreeRegressor(min_samples_leaf=2, max_features=0.7, random_state=own)
                trees.append(tree.fit(rows, values, drawn, check_input=False).tree_)
                total[drawn == 0] += trees[-1].predict(rows[drawn == 0])[:, 0]
                unused += drawn == 0
        self._trees, self.unseen = trees, total / np.maximum(unused, 1)
        self.variance = float(self.predict(np.random.default_rng(seed).random((_POINTS, axes))).var())
        # All trees together, level by level: a loop over hundreds of trees takes several times as long.
        roots = np.cumsum([0, *(tree.node_count for tree in trees[:-1])])
        before = np.repeat(roots, [tree.node_count for tree in trees])
        names = ("feature", "threshold", "value", "children_left", "children_right")
        feature, threshold, value, left, right = (
            np.concatenate([getattr(each, name) for each in trees]) for name in names
        )
        leaves, left, right = left < 0, left + before, right + before
        low, high = np.zeros((len(leaves), axes)), np.ones((len(leaves), axes))
        inner = roots[~leaves[roots]]
        while len(inner):
            children = np.concatenate([left[inner], right[inner]])
            low[children], high[children] = np.tile(low[inner], (2, 1)), np.tile(high[inner], (2, 1))
            axis, at = feature[inner], threshold[inner]
            high[left[inner], axis] = np.minimum(high[inner, axis], at)
            low[right[inner], axis] = np.maximum(low[inner, axis], at)
            inner = children[~leaves[children]]
        self._low, self._high = low[leaves], high[leaves]
        self._masses = value[leaves, 0, 0] / len(trees) * np.prod(self._high - self._low, axis=1)
        self._covers: dict[tuple[int, int], _Reals] = {}

    def predict(self, units: _Reals) -> _Reals:
        """The mean of the trees' predictions."""
        rows = np.ascontiguousarray(units, np.float32)
        predicted: _Reals = sum(tree.predict(rows)[:, 0] for tree in self._trees) / len(self._trees)
        return predicted

    def along(self, axis: int, cells: int) -> _Reals:
        """The mean within each of equal parts of an axis, over all other axes."""
        means: _Reals = self._masses @ self._cover(axis, cells)
        return means

    def across(self, one: int, other: int, cells: Sequence[int]) -> _Reals:
        """The mean within each cell of two axes, over all other axes."""
        means: _Reals = (self._cover(one, cells[0]) * self._masses[:, None]).T @ self._cover(other, cells[1])
        return means

    def _cover(self, axis: int, cells: int) -> _Reals:
        """Which share of each part of an axis each box covers, relative to its width; by box and part."""
        if (axis, cells) not in self._covers:
            edges, low, high = np.linspace(0, 1, cells + 1), self._low[:, axis, None], self._high[:, axis, None]
            ends = np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1])
            self._covers[axis, cells] = np.clip(ends, 0, None) * (cells / (high - low))
        return self._covers[axis, cells]


@dataclass(frozen=True, slots=True)
class _Shares:
    """The forest and those of resampled trials, each with the share of the variance that it predicts."""

    forests: Sequence[_Forest]
    predicted: _Reals

    def of(self, variances: Sequence[float]) -> tuple[float, float, float]:
        """The share of the objective's variance that one variance of each forest is, and the ends of its interval."""
        wholes = np.array([forest.variance for forest in self.forests])
        ratios = np.divide(variances, wholes, out=np.zeros(len(wholes)), where=wholes > 0)
        first, *others = self.predicted * np.clip(ratios, 0, 1)
        return float(first), *_interval(others, float(first))


def _cells(axis: ParameterPath, number: int, most: int = 10**9) -> int:
    return min(len(axis.domain.values), most) if isinstance(axis.domain, ListedDomain) else number


def _effect(axis: ParameterPath, place: int, shares: _Shares, mode: str, scale: float) -> Effect:
    cells = _cells(axis, _CELLS)
    along = scale * np.array([forest.along(place, cells) for forest in shares.forests])
    share, low, high = shares.of([float((means / scale).var()) for means in along])
    values = [axis.domain.from_unit(float(unit)) for unit in (np.arange(cells) + 0.5) / cells]
    best = best_range(axis.domain, values, along[0], mode) if low >= MIN_SHARE else None
    lows, highs = np.quantile(along[1:], [0.05, 0.95], axis=0)
    band = np.minimum(lows, along[0]), np.maximum(highs, along[0])
    return Effect(axis, share, low, high, best, values, along[0], *band)


def best_range(domain: Any, values: Sequence[Any], means: _Reals, mode: str) -> str:
    """Where means along a domain are best, in words: the value, or the span of the best quarter."""
    height = means if mode == "max" else -means
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    ordered = numbers and list(values) in (sorted(values), sorted(values, reverse=True))
    if isinstance(domain, ListedDomain) and (len(values) <= _MAX_VALUES or not ordered):
        return format_value(values[int(height.argmax())])
    edge = height.min() + 0.75 * (height.max() - height.min())
    good = [value for value, each in zip(values, height, strict=True) if each >= edge]
    return " to ".join(dict.fromkeys((format_value(good[0]), format_value(good[-1]))))


def _beyond(means: _Reals) -> float:
    """The variance of means over two axes beyond that of each."""
    return float(means.var() - means.mean(axis=1).var() - means.mean(axis=0).var())
