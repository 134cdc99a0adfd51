"""The best losses of trials up to their epochs as points of a curve process: their selection and their scale."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias

import numpy as np

from pipeline.searchers.base import LARGEST_LOSS, Observation
from pipeline.searchers.curve_process import Points, Reals
from pipeline.space import Cube

_EPOCHS_OF_TRIAL, _APART = 4, 1.9
"""The maximum number of a trial's epochs in the model: the newest, each earlier one by this factor, and the first."""

_FAR, _OFFSET = 2.0, 0.1
"""A loss is its distance from the best in units of the median's distance, clipped, then the logarithm of that plus an
offset: differences between good configs count, those between bad ones do not."""


@dataclass(frozen=True, slots=True)
class LossScale:
    """Losses as the process sees them."""

    best: float
    width: float
    mean: float
    std: float

    @classmethod
    def of(cls, losses: Reals, bests: Reals) -> "LossScale":
        """The scale of losses."""
        best = float(bests.min())
        # Half of the trials may have the best loss, except for rounding.
        least, spread = 1e-9 * max(1.0, abs(best)), float(bests.max()) - best
        if 0.0 < spread < least:
            # All losses are that small: those of another unit.
            least = max(1e-9 * spread, sys.float_info.min)
        plain = cls(best, max(float(np.median(bests)) - best, least), 0.0, 1.0)
        seen = plain.seen(losses)
        return cls(best, plain.width, float(seen.mean()), float(seen.std()) or 1.0)

    def seen(self, losses: Reals) -> Reals:
        """Losses on this scale."""
        # With a tiny width, a large loss is infinitely far: as far as counts.
        with np.errstate(over="ignore"):
            apart = np.clip((losses - self.best) / self.width, 0.0, _FAR)
        scaled: Reals = (np.log(apart + _OFFSET) - self.mean) / self.std
        return scaled

    def losses(self, seen: Reals) -> Reals:
        """Losses from values on this scale, as far as it tells them apart: the worst is twice the median's distance."""
        # The logarithm of the largest distance bounds the exponent.
        logs = np.minimum(seen * self.std + self.mean, math.log(_FAR + _OFFSET))
        losses: Reals = self.best + self.width * (np.exp(logs) - _OFFSET)
        return losses

    @property
    def least(self) -> float:
        """The best loss on this scale."""
        return (math.log(_OFFSET) - self.mean) / self.std

    def expected(self, mean: float, std: float, least: float) -> float:
        """The expected improvement in units of the loss, whose logarithm is normal on this scale."""
        from scipy.special import ndtr

        middle, spread = self.mean + self.std * mean, self.std * std
        log = self.mean + self.std * least
        far = (log - middle) / spread
        below = math.exp(log) * ndtr(far) - math.exp(min(middle + spread**2 / 2, 700.0)) * ndtr(far - spread)
        return self.width * max(float(below), 0.0)


@dataclass(frozen=True, slots=True)
class KnownPoints:
    """The losses at the epochs of earlier trials, as the process sees them."""

    at: Points
    values: Reals
    scale: LossScale

    @classmethod
    def of(cls, cube: Cube, before: Sequence[Observation], epochs: int, most: int) -> "KnownPoints":
        """The points of trials."""
        rows = [(number, *point) for number, one in enumerate(before) for point in _points_of(one, epochs)]
        least: dict[int, float] = {}
        for number, _, loss in rows:
            least[number] = min(loss, least.get(number, loss))
        worst = max(loss for *_, loss in rows)
        rows += [(number, 1.0, worst) for number, one in enumerate(before) if one.state == "failed"]
        ranked = sorted(least, key=lambda number: least[number])
        rows = _best_trials_and_others(rows, ranked, most)
        scale = LossScale.of(np.array([loss for *_, loss in rows]), np.array(list(least.values())))
        numbers = [number for number, *_ in rows]
        where = {number: place for place, number in enumerate(dict.fromkeys(numbers))}
        x = cube.points(units_of(cube, [before[number] for number in where]))
        at = Points(
            x[[where[number] for number in numbers]], np.array([share for _, share, _ in rows]), np.array(numbers)
        )
        return cls(at, scale.seen(np.array([loss for *_, loss in rows])), scale)


def own_points(cube: Cube, before: Sequence[Observation], epochs: int, most: int) -> KnownPoints | None:
    """The points of this study's trials; None if none has a loss."""
    return KnownPoints.of(cube, before, epochs, most) if any(curve_of(one, epochs) for one in before) else None


def units_of(cube: Cube, tried: Sequence[Observation]) -> Reals:
    """The places of observations in a cube, each computed once: that of a listed or a quantised value takes time."""
    missing = [one for one in tried if (kept := one.of_config.get("unit")) is None or kept[0] is not cube.space]
    for one, unit in zip(missing, cube.units([one.config for one in missing]), strict=True):
        one.of_config["unit"] = cube.space, unit
    return np.array([one.of_config["unit"][1] for one in tried]).reshape(len(tried), cube.sides)


_Row: TypeAlias = tuple[int, float, float]
"""A trial, the share of its epochs, and the loss there."""


def curve_of(one: Observation, epochs: int) -> Sequence[tuple[int, float]]:
    """An observation's best loss up to each epoch, because a trial counts by its best epoch."""
    if one.state == "failed":
        return ()
    if not one.curve:
        return () if one.loss is None else ((epochs, one.loss),)
    bests = list(accumulate((loss for _, loss in one.curve), min))
    if one.state == "known" and one.loss is not None:
        # The best epoch may lie between two milestones.
        bests[-1] = min(bests[-1], one.loss)
    last = one.curve[-1][0]
    curve = tuple((epoch, best) for (epoch, _), best in zip(one.curve, bests, strict=True))
    return (*curve, (epochs, bests[-1])) if one.ended and last < epochs else curve


def _points_of(one: Observation, epochs: int) -> Sequence[tuple[float, float]]:
    """Some points of an observation's curve: the share of a trial's epochs, and the loss there."""
    key = ("points", epochs)
    points: Sequence[tuple[float, float]] | None = one.derived.get(key)
    if points is None:
        points = one.derived[key] = [
            (min(epoch, epochs) / epochs, min(max(loss, -LARGEST_LOSS), LARGEST_LOSS))
            for epoch, loss in thinned(curve_of(one, epochs))
        ]
    return points


def thinned(curve: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Some points of a curve, the latest first: the last, those earlier by a factor each, and the first."""
    kept: list[tuple[int, float]] = []
    for epoch, loss in reversed(curve):
        if len(kept) < _EPOCHS_OF_TRIAL and (not kept or epoch * _APART <= kept[-1][0]):
            kept.append((epoch, loss))
    return kept if not kept or kept[-1][0] == curve[0][0] else [*kept, curve[0]]


def _best_trials_and_others(rows: list[_Row], ranked: Sequence[int], most: int) -> list[_Row]:
    """At most `most` rows: all of the best trials, and the newest of the others, evenly from good to poor."""
    if len(rows) <= most:
        return rows
    good = set(ranked[: most // 8])
    newest: dict[int, _Row] = {}
    for row in rows:
        if row[0] not in newest or row[1] > newest[row[0]][1]:
            newest[row[0]] = row
    kept = [row for row in rows if row[0] in good][:most]
    rest = sorted((row for number, row in newest.items() if number not in good), key=lambda row: row[2])
    places = np.linspace(0, len(rest) - 1, min(most - len(kept), len(rest))).astype(int)
    return [*kept, *(rest[place] for place in places)]
