"""Which hyperparameters matter, alone and in pairs, and where the objective is best: by a random forest.

The forest's prediction over the unit cube is decomposed as F. Hutter, H. Hoos and K. Leyton-Brown do (An Efficient
Approach for Assessing Hyperparameter Importance, ICML 2014).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from pipeline.results.analysis.parameters import OBJECTIVE, STATE, TRIAL, Columns, format_value, scored
from pipeline.results.tables.load import Results, cache_per_results
from pipeline.space import ListedDomain, ParameterPath, When
from pipeline.storage.tables import Tables, derive_trials
from pipeline.text import percent

_Reals = npt.NDArray[np.float64]

MIN_SHARE = 0.005
"""A smaller share is written as 0%: it may be nothing."""

_MAX_TRIALS, _MIN_TRIALS, _MAX_NEEDED, _MAX_EFFECTS = 600, 12, 60, 20
_TREES, _RESAMPLES, _TREES_OF_RESAMPLE, _R_SQUARED_RESAMPLES = 100, 20, 20, 200
_POINTS, _MIN_R_SQUARED, _SMALLEST_LEAF, _LEAST_GAIN, _NARROWEST = 2048, 0.1, 2, 1e-9, 1e-12
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
    epoch: int | None = None
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
    with its best value up to the epoch that nine in ten trials have trained, and the config in force there: else what
    makes a scheduler stop trials early would matter. Hyperparameters that only some trials have are analysed among
    those trials. Intervals come from forests and predictions of resampled trials.
    """
    columns, epoch = _compared(results)
    drawn = [one for one in results.parameters if one.drawn and _cells(one, 2) > 1]
    present = {parameter.when for parameter in drawn}
    order = dict.fromkeys([(), *(parameter.when for parameter in results.parameters)])
    mode = results.objective.mode
    return [replace(_importance(columns, mode, drawn, when), epoch=epoch) for when in order if when in present]


def _compared(results: Results) -> tuple[Columns, int | None]:
    """The scored trials, each as if it had ended at the same epoch, and that epoch; None if nine in ten are completed.

    A completed trial counts, however few its epochs.
    """
    columns, trials = scored(results), results.tables.trials
    trained = dict(zip(trials["trial_id"].to_pylist(), trials["epochs"].to_pylist(), strict=True))
    states = zip(columns[TRIAL], columns[STATE], strict=True)
    reached = {trial: math.inf if state == "completed" else trained[trial] for trial, state in states}
    if not reached or math.isinf(last := sorted(reached.values())[len(reached) // 10]):
        return columns, None
    epochs = results.tables.epochs.filter(pc.field("epoch") <= last)
    decisions = results.tables.decisions
    ended = Tables(derive_trials(epochs, decisions, results.study, {}), epochs, decisions)
    columns = scored(replace(results, tables=ended))
    there = [reached.get(trial, 0) >= last for trial in columns[TRIAL]]
    return {name: values[there] for name, values in columns.items()}, int(last)


def _importance(columns: Columns, mode: str, drawn: Sequence[ParameterPath], when: When) -> Importance:
    where = " there" if when else ""
    # Of the branch itself first, then those of the branches around it, which every trial here has too.
    around = [each for each in drawn if set(each.when) <= set(when) and each.name not in dict(when)]
    axes = sorted(around, key=lambda axis: axis.when != when)
    objective = columns[OBJECTIVE]
    mine = [row for row in range(len(objective)) if all(columns[switch][row] == branch for switch, branch in when)]
    chosen = np.array(mine, int)[np.linspace(0, len(mine) - 1, min(len(mine), _MAX_TRIALS)).round().astype(int)]
    units = np.array([_units(axis, [columns[axis.name][row] for row in chosen]) for axis in axes]).T
    known = np.isfinite(units).all(axis=1)
    units, values = units[known], np.array([objective[row] for row in chosen], np.float64)[known]
    # Of more trials than are looked at, about so many have values of today's domains.
    usable, needed = len(values), max(_MIN_TRIALS, min(3 * len(axes), _MAX_NEEDED))
    count = usable * len(mine) // max(1, len(chosen))
    if usable < needed:
        note = f"Too few trials{where} with a value: {usable}; at least {needed} are needed."
        return Importance(when, usable, note=note)
    if values.min() == values.max():
        return Importance(when, count, note=f"All {count} trials{where} have the same value.")
    values, clipped = _clipped(values, mode)
    # Squares of scaled values stay finite, and are not too small for a tree.
    values = values / (float(np.abs(values).max()) or 1.0)
    values = (values - values.mean()) / (float(values.std()) or 1.0)
    rng, every = np.random.default_rng(0), np.arange(len(values))
    forest = _fitted(units, values, every, _TREES, rng)
    samples = rng.integers(0, len(values), (_R_SQUARED_RESAMPLES, len(values)))
    r_squared, *again = (_r_squared(values[one], forest.unseen[one]) for one in (every, *samples))
    low, high = _interval(again, r_squared)
    found = Importance(when, count, None, "", len(values), r_squared, low, high, clipped)
    if r_squared < _MIN_R_SQUARED or low <= 0:
        share = percent(r_squared) if r_squared > 0 else "none"
        note = (
            f"No conclusion is possible: a random forest predicts {share} of the differences between {count} trials"
            f"{where} that it has not seen (90% interval {percent(low)} to {percent(high)}), which may be chance."
        )
        return replace(found, note=note)
    forests = [forest, *(_fitted(units, values, one, _TREES_OF_RESAMPLE, rng) for one in samples[:_RESAMPLES])]
    predicted = np.array([r_squared, *np.clip(again[:_RESAMPLES], 0, 1)])
    shares = partial(_shares, np.array([each.variance for each in forests]), predicted)
    effects = {place: _effect(axis, place, forests, shares, mode) for place, axis in enumerate(axes)}
    most = sorted(effects, key=lambda place: -effects[place].share)[:_MAX_EFFECTS]
    couples = [two for two in combinations(sorted(most), 2) if when in (axes[two[0]].when, axes[two[1]].when)]
    beyond = np.array([_beyond(each, axes, couples) for each in forests]).T
    pairs = [
        Effect((axes[one].name, axes[other].name), *shares(variances))
        for (one, other), variances in zip(couples, beyond, strict=False)
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
    # Quartiles that are too far apart for a float clip nothing.
    with np.errstate(over="ignore", invalid="ignore"):
        first, third = np.quantile(sign * values, [0.25, 0.75])
        edge = first - 3 * (third - first) if third > first else -math.inf
    far = sign * values < edge
    return np.where(far, sign * edge, values), int(far.sum())


@dataclass(frozen=True, slots=True)
class _Forest:
    """A forest's prediction over the unit cube: the boxes of all leaves, by axis and box, each with its part of the
    prediction's mean (`mass`); the prediction's variance; and what trees predict for the trials they have not learnt.
    """

    low: _Reals
    high: _Reals
    mass: _Reals
    variance: float
    unseen: _Reals

    def cover(self, axis: int, cells: int) -> _Reals:
        """What turns masses into means within each of equal parts of an axis, by part and box."""
        low, high, edges = self.low[axis], self.high[axis], np.linspace(0, 1, cells + 1)[:, None]
        shared = np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1])
        covered: _Reals = np.maximum(shared, 0) * (cells / np.maximum(high - low, _NARROWEST))
        return covered


def _fitted(
    units: _Reals, values: _Reals, sample: npt.NDArray[np.int64], trees: int, rng: np.random.Generator
) -> _Forest:
    """Fit a forest to a sample of the trials: extremely randomised trees (P. Geurts, D. Ernst and L. Wehenkel, Machine
    Learning 63, 2006), each of which learns trials drawn from the sample. All of them grow together, level by level.

    Not scikit-learn's: they need as long, and two seconds more to be imported.
    """
    (trials, axes), count = units.shape, trees
    counts = np.stack([np.bincount(sample[rng.integers(0, trials, trials)], minlength=trials) for _ in range(trees)])
    # Beside the trials, points at which the forest's variance is found; they are spread evenly along each axis.
    points = (rng.permuted(np.tile(np.arange(_POINTS), (axes, 1)), axis=1) + 0.5) / _POINTS
    places, boxes = np.hstack([units.T, points]).astype(np.float32), list[tuple[_Reals, _Reals, _Reals]]()
    found, low, high = np.zeros((trees, trials + _POINTS)), np.zeros((axes, trees)), np.ones((axes, trees))
    at, weight = np.arange(found.size), np.pad(counts, ((0, 0), (0, _POINTS))).ravel()
    node, place = np.divmod(at, trials + _POINTS)
    while count:
        learnt = np.flatnonzero(weight)
        learnt = learnt[np.argsort(node[learnt], kind="stable")]
        mine, size, x = node[learnt], weight[learnt], places[:, place[learnt]]
        first, value = np.searchsorted(mine, np.arange(count)), values[place[learnt]] * size
        least, most = np.minimum.reduceat(x, first, axis=1), np.maximum.reduceat(x, first, axis=1)
        # Each node has one random cut along each axis; the one that leaves the smallest variance is taken.
        cuts = least + rng.random(least.shape, np.float32) * (most - least)
        above = x > cuts[:, mine]
        sizes, sums = np.add.reduceat(size, first), np.add.reduceat(value, first)
        upper, upper_sums = (np.add.reduceat(above * each, first, axis=1) for each in (size, value))
        lower, lower_sums = sizes - upper, sums - upper_sums
        gains = upper_sums**2 / np.maximum(upper, 1) + lower_sums**2 / np.maximum(lower, 1) - sums**2 / sizes
        gains[np.minimum(upper, lower) < _SMALLEST_LEAF] = 0
        axis, inner, means = gains.argmax(axis=0), gains.max(axis=0) > _LEAST_GAIN, sums / sizes
        cut, stays = cuts[axis, np.arange(count)], inner[node]
        found.flat[at[~stays]] = means[node[~stays]]
        boxes.append((low[:, ~inner], high[:, ~inner], means[~inner]))
        at, node, place, weight = at[stays], node[stays], place[stays], weight[stays]
        node = 2 * (np.cumsum(inner) - 1)[node] + (places[axis[node], place] > cut[node])
        low, high = (np.repeat(ends[:, inner], 2, axis=1) for ends in (low, high))
        count = low.shape[1]
        high[axis[inner], np.arange(0, count, 2)] = low[axis[inner], np.arange(1, count, 2)] = cut[inner]
    low, high, means = (np.concatenate(part, axis=-1) for part in zip(*boxes, strict=True))
    unseen = (found[:, :trials] * (counts == 0)).sum(axis=0) / np.maximum((counts == 0).sum(axis=0), 1)
    mass, variance = means * np.prod(high - low, axis=0) / trees, found[:, trials:].mean(axis=0).var()
    return _Forest(low, high, mass, float(variance), unseen)


def _r_squared(values: _Reals, unseen: _Reals) -> float:
    """The share of the variance of values that predictions explain; 0 if all values are the same."""
    whole = float(((values - values.mean()) ** 2).sum())
    return 1 - float(((values - unseen) ** 2).sum()) / whole if whole > 0 else 0.0


def _interval(found: Sequence[float] | _Reals, value: float) -> tuple[float, float]:
    low, high = np.quantile(found, [0.05, 0.95])
    return min(float(low), value), max(float(high), value)


def _cells(axis: ParameterPath, number: int) -> int:
    return len(axis.domain.values) if isinstance(axis.domain, ListedDomain) else number


def _shares(variances: _Reals, predicted: _Reals, parts: _Reals) -> tuple[float, float, float]:
    """The share of the objective's variance that a part of each forest's variance is, and the ends of its interval."""
    ratios = np.divide(parts, variances, out=np.zeros(len(parts)), where=variances > 0)
    first, *others = predicted * np.clip(ratios, 0, 1)
    return float(first), *_interval(others, float(first))


def _beyond(forest: _Forest, axes: Sequence[ParameterPath], couples: Sequence[tuple[int, int]]) -> list[float]:
    """The variance of a forest's means over two axes beyond that of each, for some couples of axes."""
    places = {place: min(_cells(axes[place], _PAIR_CELLS), _PAIR_CELLS) for two in couples for place in two}
    covers = {place: forest.cover(place, cells) for place, cells in places.items()}
    # Not with @, whose threads take longer to start than such products to compute.
    grids = [np.einsum("ib,jb", covers[one] * forest.mass, covers[other]) for one, other in couples]
    return [float(grid.var() - grid.mean(axis=0).var() - grid.mean(axis=1).var()) for grid in grids]


def _effect(
    axis: ParameterPath, place: int, forests: Sequence[_Forest], shares: Callable[..., Any], mode: str
) -> Effect:
    cells = _cells(axis, _CELLS)
    means = np.stack([(forest.cover(place, cells) * forest.mass).sum(axis=1) for forest in forests])
    share, low, high = shares(means.var(axis=1))
    values = [axis.domain.from_unit(float(unit)) for unit in (np.arange(cells) + 0.5) / cells]
    best = _best_range(axis.domain, values, means[0], mode) if low >= MIN_SHARE else None
    return Effect([axis.name], share, low, high, best)


def _best_range(domain: Any, values: Sequence[Any], means: _Reals, mode: str) -> str:
    """Where means along a domain are best, in words: the value, or the span of the best quarter."""
    height = means if mode == "max" else -means
    if isinstance(domain, ListedDomain):
        return format_value(values[int(height.argmax())])
    edge = height.min() + 0.75 * (height.max() - height.min())
    good = [value for value, each in zip(values, height, strict=True) if each >= edge]
    return " to ".join(dict.fromkeys((format_value(good[0]), format_value(good[-1]))))
