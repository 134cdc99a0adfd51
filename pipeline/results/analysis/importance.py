"""Which hyperparameters matter, alone and in pairs, and how the objective goes with each."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.results.analysis.surface import Surface, fitted
from pipeline.results.load import Results
from pipeline.results.plots.space import scored
from pipeline.results.plots.style import is_listed
from pipeline.space import Place
from pipeline.space.walk import When

__all__ = ["Effect", "Importance", "Pair", "importances"]

_Reals = npt.NDArray[np.float64]

_TREES, _AGAIN, _TREES_AGAIN = 100, 20, 20
_MOST_TRIALS = 600
"""More would take longer and say no more: the forest sees so many, evenly spread over the study."""
_FEWEST_TRIALS = 12
_MOST_AXES = 20
_CELLS, _PAIR_CELLS = 24, 12
_SEED = 0


@dataclass(frozen=True, slots=True)
class Effect:
    """What one hyperparameter does.

    Args:
        place: The hyperparameter, where it stands in the space.
        share: Its share of the forest's variance, from 0 to 1: what it does by itself, the others averaged out.
        low: Lower end of a 90 % interval of it.
        high: Upper end.
        units: Places from 0 to 1 at which `means` are: the middles of equal parts of its domain.
        means: The objective there, the others averaged out.
        means_low: Lower ends of 90 % intervals of them.
        means_high: Upper ends.
    """

    place: Place
    share: float
    low: float
    high: float
    units: _Reals
    means: _Reals
    means_low: _Reals
    means_high: _Reals


@dataclass(frozen=True, slots=True)
class Pair:
    """What two hyperparameters do together beyond what each does by itself.

    Args:
        names: Both.
        share: Their share of the forest's variance.
        low: Lower end of a 90 % interval of it.
        high: Upper end.
    """

    names: tuple[str, str]
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Importance:
    """What mattered among trials that have the same hyperparameters.

    Args:
        when: On which branches of which switches they are; empty for all trials.
        trials: How many have a value.
        used: How many of them the forest has seen.
        foretold: Share of the variance of trials it has not seen that the forest foretells; NaN without a forest.
        clipped: How many very bad values were drawn in, so that they do not drown all others.
        effects: By hyperparameter, the largest share first; empty where nothing can be said.
        pairs: By pair, the largest first.
        note: Why nothing can be said; empty where something can.
    """

    when: When
    trials: int
    used: int
    foretold: float
    clipped: int
    effects: Sequence[Effect]
    pairs: Sequence[Pair]
    note: str = ""


def importances(results: Results) -> list[Importance]:
    """Shares of variance that hyperparameters and pairs of them account for in a random forest, and their curves.

    A trial counts with its best value, also where it was stopped early, and the config in force there. Hyperparameters
    that only some trials have are looked at among those trials. Intervals come from forests of resampled trials.

    Args:
        results: A study's results.

    Returns:
        All trials first, then those of each branch that has parameters of its own.
    """
    rows, places = scored(results), [place for place in results.places if place.drawn]
    found = []
    for when in dict.fromkeys([(), *(place.when for place in places)]):
        own = [place for place in places if place.when == when and _several(place)]
        if own:
            found.append(_importance(results, rows, places, when))
    return found


def _several(place: Place) -> bool:
    return not is_listed(place.domain) or len(place.domain.values) > 1


def _importance(results: Results, rows: pd.DataFrame, places: Sequence[Place], when: When) -> Importance:
    fixed = dict(when)
    there = [all(row.get(switch) == branch for switch, branch in when) for row in rows.to_dict("records")]
    rows = rows[there] if len(rows) else rows
    # Of the branch itself first, then those of the branches around it, which every trial here has too.
    around = [place for place in places if set(place.when) <= set(when) and place.name not in fixed and _several(place)]
    axes = sorted(around, key=lambda place: place.when != when)[:_MOST_AXES]
    units = np.array([[_unit(axis, value) for value in rows[axis.name]] for axis in axes]).reshape(len(axes), -1).T
    known = np.isfinite(units).all(axis=1)
    units, values = units[known], rows["objective"].to_numpy(np.float64)[known]
    count = len(values)
    needed = max(_FEWEST_TRIALS, 3 * len(axes))
    where = " there" if when else ""

    def silent(note: str, foretold: float = float("nan")) -> Importance:
        return Importance(when, count, 0, foretold, 0, (), (), note)

    if count < needed:
        return silent(f"too few trials{where} with a value: {count}; with {needed} something could be said")
    if values.min() == values.max():
        return silent(f"all {count} trials{where} have the same value")
    values, clipped = _drawn_in(values, results.objective.mode)
    if count > _MOST_TRIALS:
        chosen = np.linspace(0, count - 1, _MOST_TRIALS).round().astype(int)
        units, values = units[chosen], values[chosen]
    surface = fitted(units, values, trees=_TREES, seed=_SEED)
    if not surface.unseen > 0 or surface.variance == 0:
        return silent(
            f"a forest foretells none of the {count} trials{where} better than their mean does, so that no "
            "hyperparameter stands out",
            surface.unseen,
        )
    again, rng = [], np.random.default_rng(_SEED)
    for turn in range(_AGAIN):
        sample = rng.integers(0, len(values), len(values))
        again.append(fitted(units[sample], values[sample], trees=_TREES_AGAIN, seed=turn, whole=False))
    effects, pairs = _effects(surface, again, axes, when), _pairs(surface, again, axes, when)
    return Importance(when, count, len(values), surface.unseen, clipped, effects, pairs)


def _unit(axis: Place, value: object) -> float:
    try:
        return float(np.clip(axis.domain.unit(value), 0.0, 1.0))
    except (TypeError, ValueError):
        return float("nan")  # the domain was another one when the trial was drawn


def _drawn_in(values: _Reals, mode: str) -> tuple[_Reals, int]:
    """Values with those far out at the bad end set to the edge of what is not (three quartile distances)."""
    sign = 1.0 if mode == "max" else -1.0
    first, third = np.quantile(sign * values, [0.25, 0.75])
    edge = first - 3 * (third - first)
    far = sign * values < edge
    return np.where(far, sign * edge, values), int(far.sum())


def _cells(axis: Place) -> int:
    return len(axis.domain.values) if is_listed(axis.domain) else _CELLS


def _pair_cells(axis: Place) -> int:
    return len(axis.domain.values) if is_listed(axis.domain) else _PAIR_CELLS


def _effects(surface: Surface, again: Sequence[Surface], axes: Sequence[Place], when: When) -> list[Effect]:
    effects = []
    for number, axis in enumerate(axes):
        if axis.when != when:
            continue
        cells = _cells(axis)
        means = surface.along(number, cells)
        others = np.array([one.along(number, cells) for one in again])
        shares = [_share(other.var(), one) for other, one in zip(others, again, strict=True)]
        share = _share(means.var(), surface)
        low, high = _interval(np.array(shares), share)
        lows, highs = np.quantile(others, [0.05, 0.95], axis=0)
        units = (np.arange(cells) + 0.5) / cells
        effects.append(
            Effect(
                axis, share, low, high, units, means, np.minimum(lows, means), np.maximum(highs, means)
            )
        )  # fmt: skip
    return sorted(effects, key=lambda effect: -effect.share)


def _pairs(surface: Surface, again: Sequence[Surface], axes: Sequence[Place], when: When) -> list[Pair]:
    pairs = []
    for one, other in combinations(range(len(axes)), 2):
        if when not in (axes[one].when, axes[other].when):
            continue
        cells = _pair_cells(axes[one]), _pair_cells(axes[other])
        shares = [_together(each, (one, other), cells) for each in (surface, *again)]
        low, high = _interval(np.array(shares[1:]), shares[0])
        pairs.append(Pair((axes[one].name, axes[other].name), shares[0], low, high))
    return sorted(pairs, key=lambda pair: -pair.share)


def _together(surface: Surface, axes: tuple[int, int], cells: tuple[int, int]) -> float:
    both = surface.across(axes, cells)
    return _share(both.var() - both.mean(axis=1).var() - both.mean(axis=0).var(), surface)


def _share(variance: float, surface: Surface) -> float:
    return float(np.clip(variance / surface.variance, 0, 1)) if surface.variance > 0 else 0.0


def _interval(shares: _Reals, share: float) -> tuple[float, float]:
    low, high = np.quantile(shares, [0.05, 0.95])
    return min(float(low), share), max(float(high), share)
