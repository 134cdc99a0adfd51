"""Which hyperparameters matter, alone and in pairs, and how the objective depends on each."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.results.analysis.domains import format_value
from pipeline.results.analysis.forests import MAX_AXES, Fit, Forests, fit_here, interval
from pipeline.results.analysis.parameters import OBJECTIVE, scored
from pipeline.results.analysis.random_forest import RandomForest
from pipeline.results.analysis.shares import MIN_SHARE, Effect, Importance, Pair
from pipeline.results.tables.configs import given
from pipeline.results.tables.load import Results
from pipeline.space import ListedDomain, ParameterPath, When
from pipeline.wording import percent, percent_interval

_Reals = npt.NDArray[np.float64]

_MAX_VALUES = 8
_MAX_TRIALS = 600
"""The maximum number of trials for the forest, evenly spread over the study: more take longer and change little."""
_MIN_TRIALS = 12
_CELLS, _PAIR_CELLS = 24, 12
_MAX_PAIR_CELLS = 200
"""The maximum number of listed values that pairs tell apart: a thousand by a thousand take gigabytes, and half a minute
of which the forest's few hundred trials say nothing."""
_LARGEST = 1e150
"""The largest magnitude of a value: a variance is a square, and a float holds none of a larger value."""


@dataclass(frozen=True, slots=True)
class _Trials:
    """Trials that have the same hyperparameters."""

    when: When
    axes: Sequence[ParameterPath]
    own: int
    count: int
    note: str = ""
    units: _Reals = field(default_factory=lambda: np.empty((0, 0)))
    values: _Reals = field(default_factory=lambda: np.empty(0))
    clipped: int = 0


def importances(results: Results) -> list[Importance]:
    """Shares of the objective's variance that hyperparameters and pairs of them account for, and their curves.

    A share is that of the variance of a random forest, times the share of the objective's variance that the forest
    predicts for trials it has not seen. If it predicts too little to exclude chance, there is no result.
    A trial counts with its best value, even if it was stopped early, and the config in force there. Hyperparameters
    that only some trials have are analysed among those trials. Intervals come from forests and predictions of
    resampled trials.
    """
    return start_importances(results)()


def start_importances(results: Results, fit: Fit = fit_here) -> Callable[[], list[Importance]]:
    """Start to fit the forests of `importances`."""
    rows, parameters = scored(results), [parameter for parameter in results.parameters if parameter.drawn]
    groups = []
    for when in dict.fromkeys([(), *(parameter.when for parameter in parameters)]):
        own = [parameter for parameter in parameters if parameter.when == when and _several(parameter)]
        if own:
            groups.append(_trials(results, rows, parameters, when))
    fits = fit([(group.units, group.values, group.own) for group in groups if not group.note])

    def wait() -> list[Importance]:
        forests = iter(fits())
        mode = results.objective.mode
        return [
            _silent(group, group.note) if group.note else _importance(group, next(forests), mode) for group in groups
        ]

    return wait


def _several(parameter: ParameterPath) -> bool:
    return not isinstance(parameter.domain, ListedDomain) or len(parameter.domain.values) > 1


def _trials(results: Results, rows: pd.DataFrame, parameters: Sequence[ParameterPath], when: When) -> _Trials:
    fixed = dict(when)
    for switch, branch in when:
        rows = rows[[value == branch for value in rows[switch]]] if len(rows) else rows
    # Of the branch itself first, then those of the branches around it, which every trial here has too.
    around = [
        parameter
        for parameter in parameters
        if set(parameter.when) <= set(when) and parameter.name not in fixed and _several(parameter)
    ]
    axes = sorted(around, key=lambda parameter: parameter.when != when)
    own = sum(parameter.when == when for parameter in axes)
    rows = rows[np.all([_known(axis, rows[axis.name]) for axis in axes], axis=0)]
    values = rows[OBJECTIVE].to_numpy(np.float64)
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), _MAX_TRIALS)).round().astype(int)
    units = np.array([_units(axis, rows[axis.name].iloc[chosen]) for axis in axes]).reshape(len(axes), -1).T
    count, needed = len(rows), max(_MIN_TRIALS, 3 * min(len(axes), MAX_AXES))
    where = _where(when)
    if count < needed:
        note = f"too few trials{where} with a value: {count}; at least {needed} are needed"
        return _Trials(when, axes, own, count, note)
    if values.min() == values.max():
        return _Trials(when, axes, own, count, f"all {count} trials{where} have the same value")
    values, clipped = _drawn_in(values, results.objective.mode)
    return _Trials(when, axes, own, count, "", units, values[chosen], clipped)


def _where(when: When) -> str:
    return " there" if when else ""


def _silent(
    trials: _Trials, note: str, r_squared: tuple[float, float, float] = (math.nan, math.nan, math.nan)
) -> Importance:
    return Importance(trials.when, trials.count, 0, *r_squared, 0, (), (), note)


def _importance(trials: _Trials, forests: Forests, mode: str) -> Importance:
    predicted = forests.r_squared, forests.low, forests.high
    if not forests.again:
        share = percent(forests.r_squared) if forests.r_squared > 0 else "none"
        return _silent(
            trials,
            f"no conclusion is possible: for trials that it has not seen, a random forest predicts {share} of the "
            f"differences between the {trials.count} trials{_where(trials.when)} (90% interval "
            f"{percent_interval(forests.low, forests.high)}), which may be chance",
            predicted,
        )
    scales, axes = [forests.r_squared, *forests.r_squared_again], [trials.axes[number] for number in forests.axes]
    effects = _effects(forests.whole, forests.again, scales, axes, trials.when, mode)
    pairs = _pairs(forests.whole, forests.again, scales, axes, trials.when)
    used, left_out = len(trials.values), trials.own - len(effects)
    return Importance(trials.when, trials.count, used, *predicted, trials.clipped, effects, pairs, left_out=left_out)


def _known(axis: ParameterPath, values: pd.Series) -> npt.NDArray[np.bool_]:
    """Which trials have a value of the domain, which may have been another one when a trial was drawn."""
    known = given(values)
    if isinstance(axis.domain, ListedDomain):
        known[known] = np.isfinite(_units(axis, values[known]))
    return known


def _units(axis: ParameterPath, values: Iterable[Any]) -> list[float]:
    """The position of each value from 0 to 1; NaN where there is none."""
    if not isinstance(axis.domain, ListedDomain):
        return [_unit(axis, value) for value in values]
    # Each kind of value is looked for once: there are as many as the domain has.
    met: dict[tuple[type, Any], float] = {}
    units = []
    for value in values:
        if isinstance(value, list | dict):
            units.append(_unit(axis, value))
            continue
        key = type(value), value
        if key not in met:
            met[key] = _unit(axis, value)
        units.append(met[key])
    return units


def _unit(axis: ParameterPath, value: object) -> float:
    try:
        return min(max(float(axis.domain.to_unit(value)), 0.0), 1.0)
    except (TypeError, ValueError):
        return float("nan")


def _drawn_in(values: _Reals, mode: str) -> tuple[_Reals, int]:
    """Values, clipped at the bad end, at three interquartile ranges; unchanged if most values are the same."""
    sign, values = 1.0 if mode == "max" else -1.0, np.clip(values, -_LARGEST, _LARGEST)
    first, third = np.quantile(sign * values, [0.25, 0.75])
    edge = first - 3 * (third - first) if third > first else -math.inf
    far = sign * values < edge
    return np.where(far, sign * edge, values), int(far.sum())


def _cells(axis: ParameterPath) -> int:
    return len(axis.domain.values) if isinstance(axis.domain, ListedDomain) else _CELLS


def _pair_cells(axis: ParameterPath) -> int:
    return min(len(axis.domain.values), _MAX_PAIR_CELLS) if isinstance(axis.domain, ListedDomain) else _PAIR_CELLS


def _effects(
    forest: RandomForest,
    again: Sequence[RandomForest],
    scales: Sequence[float],
    axes: Sequence[ParameterPath],
    when: When,
    mode: str,
) -> list[Effect]:
    effects = []
    for number, axis in enumerate(axes):
        if axis.when != when:
            continue
        cells = _cells(axis)
        means = forest.along(number, cells)
        others = np.array([one.along(number, cells) for one in again])
        shares = np.array([_share(other.var(), one) for other, one in zip(others, again, strict=True)])
        of_forest = _share(means.var(), forest)
        share = of_forest * scales[0]
        low, high = interval(shares * scales[1:], share)
        lows, highs = np.quantile(others, [0.05, 0.95], axis=0)
        units = (np.arange(cells) + 0.5) / cells
        best = best_range(axis.domain, units, means, mode) if low >= MIN_SHARE else None
        effects.append(
            Effect(
                axis, share, low, high, of_forest, best, units, means,
                np.minimum(lows, means), np.maximum(highs, means),
            )
        )  # fmt: skip
    return sorted(effects, key=lambda effect: -effect.share)


def best_range(domain: Any, units: _Reals, means: _Reals, mode: str) -> str:
    """Where means along a domain are best, in words: the value, or the span of the best quarter."""
    order = means if mode == "max" else -means
    values = [domain.from_unit(float(unit)) for unit in units]
    if isinstance(domain, ListedDomain) and (len(values) <= _MAX_VALUES or not _ordered(values)):
        return format_value(values[int(order.argmax())])
    edge = order.min() + 0.75 * (order.max() - order.min())
    good = [value for value, height in zip(values, order, strict=True) if height >= edge]
    return " to ".join(dict.fromkeys((format_value(good[0]), format_value(good[-1]))))


def _ordered(values: Sequence[Any]) -> bool:
    """Whether listed values are numbers that rise or fall: of others, nothing lies between two of them."""
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return False
    return list(values) in (sorted(values), sorted(values, reverse=True))


def _pairs(
    forest: RandomForest,
    again: Sequence[RandomForest],
    scales: Sequence[float],
    axes: Sequence[ParameterPath],
    when: When,
) -> list[Pair]:
    pairs = []
    for one, other in combinations(range(len(axes)), 2):
        if when not in (axes[one].when, axes[other].when):
            continue
        cells = _pair_cells(axes[one]), _pair_cells(axes[other])
        of_forest = np.array([_together(each, (one, other), cells) for each in (forest, *again)])
        shares = of_forest * scales
        low, high = interval(shares[1:], float(shares[0]))
        pairs.append(Pair((axes[one].name, axes[other].name), float(shares[0]), low, high, float(of_forest[0])))
    return sorted(pairs, key=lambda pair: -pair.share)


def _together(forest: RandomForest, axes: tuple[int, int], cells: tuple[int, int]) -> float:
    both = forest.across(axes, cells)
    return _share(both.var() - both.mean(axis=1).var() - both.mean(axis=0).var(), forest)


def _share(variance: float, forest: RandomForest) -> float:
    return float(np.clip(variance / forest.variance, 0, 1)) if forest.variance > 0 else 0.0
