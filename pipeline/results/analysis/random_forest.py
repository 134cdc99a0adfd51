"""A random forest over the unit cube, and its averages along one axis or two.

A tree cuts the cube into boxes and gives each a value; averages over the other axes are exact sums over those boxes
(F. Hutter, H. Hoos, K. Leyton-Brown: An Efficient Approach for Assessing Hyperparameter Importance, ICML 2014). Here
the whole forest's averages are taken, not each tree's: single trees fit noise, and their variance is mostly that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

_Reals = npt.NDArray[np.float64]
_Reals32 = npt.NDArray[np.float32]

_POINTS = 4096


@dataclass(frozen=True, slots=True)
class RandomForest:
    """A forest as boxes."""

    low: _Reals
    high: _Reals
    value: _Reals
    variance: float
    unseen: _Reals
    _covers: dict[tuple[int, int], _Reals] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What `_covered` and `_weighed` returned: each axis is asked for with every other one."""
    _masses: _Reals = field(init=False, repr=False, compare=False)
    """The boxes' values times their volumes."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_masses", self.value * np.prod(self.high - self.low, axis=1))

    def along(self, axis: int, cells: int) -> _Reals:
        """The mean within each of equal parts of an axis, over all other axes."""
        # Not kept: a hyperparameter may have a thousand values.
        means: _Reals = self._masses @ self._cover(axis, cells)
        return means

    def across(self, axes: tuple[int, int], cells: tuple[int, int]) -> _Reals:
        """The mean within each cell of two axes, over all other axes."""
        means: _Reals = self._weighed(axes[0], cells[0]) @ self._covered(axes[1], cells[1])
        return means

    def _covered(self, axis: int, cells: int) -> _Reals:
        """What `_cover` returns, kept."""
        if (axis, cells) not in self._covers:
            self._covers[axis, cells] = self._cover(axis, cells)
        return self._covers[axis, cells]

    def _cover(self, axis: int, cells: int) -> _Reals:
        """Which share of each part of an axis each box covers, relative to its width; by box and part."""
        edges, low, high = np.linspace(0, 1, cells + 1), self.low[:, axis, None], self.high[:, axis, None]
        ends = np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1])
        shares: _Reals = np.clip(ends, 0, None) * (cells / (high - low))
        return shares

    def _weighed(self, axis: int, cells: int) -> _Reals:
        """The same times the boxes' masses; by part and box."""
        if (axis, -cells) not in self._covers:
            self._covers[axis, -cells] = np.ascontiguousarray((self._covered(axis, cells) * self._masses[:, None]).T)
        return self._covers[axis, -cells]


def fit_forest(places: _Reals, values: _Reals, *, trees: int, seed: int, whole: bool = True) -> RandomForest:
    """Fit a forest."""
    rows, scale = np.ascontiguousarray(places, np.float32), _scale(values)
    forest, left_out = _trees(rows, values / scale, trees, seed)
    low, high, value = _boxes(forest, places.shape[1])
    points = np.random.default_rng(seed).random((_POINTS, places.shape[1])).astype(np.float32)
    variance = float(_mean(forest, points).var()) * scale**2
    unseen = _unseen(forest, rows, left_out) * scale if whole else np.empty(0)
    return RandomForest(low, high, value * scale / trees, variance, unseen)


def predicted(places: _Reals, values: _Reals, others: _Reals, *, trees: int, seed: int) -> _Reals:
    """Fit a forest, and predict the objective of other trials."""
    scale = _scale(values)
    forest, _ = _trees(np.ascontiguousarray(places, np.float32), values / scale, trees, seed)
    return _mean(forest, np.ascontiguousarray(others, np.float32)) * scale


def _scale(values: _Reals) -> float:
    """By what values are divided, so that squares of large losses stay finite."""
    return float(np.abs(values).max()) or 1.0


def _trees(rows: _Reals32, values: _Reals, trees: int, seed: int) -> tuple[list[Any], npt.NDArray[np.bool_]]:
    """The trees of a forest, and for each of them the rows that it was not trained on."""
    from sklearn import config_context
    from sklearn.tree import DecisionTreeRegressor

    # The trees of RandomForestRegressor with this seed, in two thirds of the time: its package is slower to import, and
    # it copies and inspects the parameters of each tree.
    rng, count = np.random.RandomState(seed), len(rows)
    forest, drawn = [], []
    with config_context(skip_parameter_validation=True):
        for tree_seed in rng.randint(np.iinfo(np.int32).max, size=trees).tolist():
            counts = np.bincount(np.random.RandomState(tree_seed).randint(0, count, count), minlength=count)
            tree = DecisionTreeRegressor(min_samples_leaf=2, max_features=0.7, random_state=tree_seed)
            forest.append(tree.fit(rows, values, counts, check_input=False).tree_)
            drawn.append(counts)
    return forest, np.array(drawn) == 0


def _mean(forest: Sequence[Any], rows: _Reals32) -> _Reals:
    """The mean prediction of all trees for each row."""
    mean: _Reals = sum(tree.predict(rows)[:, 0] for tree in forest) / len(forest)
    return mean


def _unseen(forest: Sequence[Any], rows: _Reals32, left_out: npt.NDArray[np.bool_]) -> _Reals:
    """The mean prediction for each row of the trees that were not trained on it; 0 if there is none."""
    total = np.zeros(len(rows))
    for tree, rest in zip(forest, left_out, strict=True):
        total[rest] += tree.predict(rows[rest])[:, 0]
    means: _Reals = total / np.maximum(left_out.sum(axis=0), 1)
    return means


def _boxes(trees: Sequence[Any], axes: int) -> tuple[_Reals, _Reals, _Reals]:
    """The leaves of trees as boxes: lower ends, upper ends, values."""
    # All trees together, level by level: a loop over hundreds of trees takes several times as long.
    roots = np.cumsum([0, *(tree.node_count for tree in trees[:-1])])
    before = np.repeat(roots, [tree.node_count for tree in trees])

    def joined(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(tree, name) for tree in trees])

    feature, threshold, value = joined("feature"), joined("threshold"), joined("value")
    leaves = joined("children_left") < 0
    left, right = joined("children_left") + before, joined("children_right") + before
    low, high = np.zeros((len(leaves), axes)), np.ones((len(leaves), axes))
    inner = roots[~leaves[roots]]
    while len(inner):
        axis, at = feature[inner], threshold[inner]
        for child in (left[inner], right[inner]):
            low[child], high[child] = low[inner], high[inner]
        high[left[inner], axis] = np.minimum(high[inner, axis], at)
        low[right[inner], axis] = np.maximum(low[inner, axis], at)
        children = np.concatenate([left[inner], right[inner]])
        inner = children[~leaves[children]]
    return low[leaves], high[leaves], value[leaves, 0, 0]
