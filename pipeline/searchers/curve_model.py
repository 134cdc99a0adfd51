"""The process over config and epoch, fitted to what studies have reached: what it expects of configs."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import NamedTuple, TypeAlias

import numpy as np

from pipeline.searchers.base import (
    LARGEST_LOSS,
    MAX_OBSERVATIONS,
    EarlierStudy,
    Observation,
)
from pipeline.searchers.curve_process import CurveProcess, Points, Posterior, Reals
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


def points_of(cube: Cube, earlier: Sequence[EarlierStudy], epochs: int, most: int) -> list[KnownPoints]:
    """The points of earlier studies, the values of each on the scale of its own losses."""
    return [KnownPoints.of(cube, study.observations, epochs, most // len(earlier)) for study in earlier]


def join_points(own: KnownPoints | None, others: Sequence[KnownPoints], trials: int) -> tuple[Points, Reals]:
    """The points of this study and of earlier ones together."""
    if own is not None and not others:
        return own.at, own.values
    parts = [(0, own)] if own is not None else []
    parts += list(enumerate(others, 1))
    numbers = []
    for number, part in parts:
        numbers.append(part.at.trial + (trials if number else 0))
        trials += int(part.at.trial.max()) + 1 if number else 0
    at = Points(
        np.concatenate([part.at.x for _, part in parts]),
        np.concatenate([part.at.t for _, part in parts]),
        np.concatenate(numbers),
        np.concatenate([np.full(len(part.at.t), number) for number, part in parts]),
    )
    return at, np.concatenate([part.values for _, part in parts])


_FIT_POINTS, _FIT_EARLIER_POINTS = 220, 100
"""The maximum number of points in a fit, and of points of earlier studies among them: the cost is cubic."""

_MIN_TRIALS, _MIN_FACTOR = 4, 0.5
"""The number of trials with values from which on an earlier study may be found not to count, and the smallest factor of
one that counts: that of the prior, from which values without any relation do not move it upwards."""

_STEPS, _GROWTH = 12, 1.2
"""The optimiser's steps, and the growth of the number of trials after which the fit takes in further ones. The
parameters are fitted again also when trials that it has taken in have new values: a draw is a function of what is
known."""


@dataclass(frozen=True, slots=True)
class CurveFit:
    """The parameters of the process."""

    theta: Reals
    counted: Sequence[int]
    factors: list[float]


def curve_fit(cube: Cube, history: Sequence[Observation], earlier: Sequence[EarlierStudy], epochs: int) -> CurveFit:
    """Fit the process, and decide which earlier studies count.

    An earlier study counts while the values of this study are at least as likely together with it as alone, and its
    factor is at least one half. The factor alone does not exclude a misleading study, because all studies share length
    scales and variances.
    """
    trials = _at_last_fit(history)
    if not earlier:
        return _alone(cube, trials, epochs)
    own, count = own_points(cube, trials, epochs, _FIT_POINTS - _FIT_EARLIER_POINTS), len(trials)
    others = points_of(cube, earlier, epochs, _FIT_EARLIER_POINTS)
    counted = list(range(len(earlier)))
    judged = own is not None and sum(bool(curve_of(trial, epochs)) for trial in trials) >= _MIN_TRIALS
    if own is not None and judged:
        counted = [number for number, other in enumerate(others) if _supports(cube, own, other, count)]
    while counted:
        theta = _theta(_Data.of(cube, own, [others[number] for number in counted], count))
        found = CurveProcess(cube.groups, len(counted)).study_factors(theta)
        if judged and found.min() < _MIN_FACTOR:
            counted.pop(int(found.argmin()))
            continue
        factors = np.zeros(len(earlier))
        factors[counted] = found
        return CurveFit(theta, counted, factors.tolist())
    return replace(_alone(cube, trials, epochs), factors=[0.0] * len(earlier))


def _alone(cube: Cube, trials: Sequence[Observation], epochs: int) -> CurveFit:
    """The fit without earlier studies; before the first value, the prior."""
    own = own_points(cube, trials, epochs, _FIT_POINTS)
    theta = CurveProcess(cube.groups).prior if own is None else _theta(_Data.of(cube, own, [], len(trials)))
    return CurveFit(theta, (), [])


def _supports(cube: Cube, own: KnownPoints, other: KnownPoints, trials: int) -> bool:
    """Whether this study's values are at least as likely together with an earlier study as alone."""
    alone, both = _Data.of(cube, own, [], trials), _Data.of(cube, own, [other], trials)
    without_own = _Data.of(cube, None, [other], trials)
    together = _negative_log_likelihood(both, both) - _negative_log_likelihood(without_own, both)
    return together <= _negative_log_likelihood(alone, alone)


def _at_last_fit(history: Sequence[Observation]) -> Sequence[Observation]:
    """The trials that existed when their number last reached the next size; of many, an even sample."""
    count = 2
    while math.ceil(count * _GROWTH) <= len(history):
        count = math.ceil(count * _GROWTH)
    if count <= MAX_OBSERVATIONS:
        return history[:count]
    return [history[number] for number in np.linspace(0, count - 1, MAX_OBSERVATIONS).astype(int)]


class _Data(NamedTuple):
    """Points of this study and of earlier ones, and their values, as bytes: results are cached by them."""

    earlier: int
    groups: bytes
    x: bytes
    t: bytes
    trial: bytes
    study: bytes
    values: bytes

    @classmethod
    def of(cls, cube: Cube, own: KnownPoints | None, others: Sequence[KnownPoints], trials: int) -> "_Data":
        at, values = join_points(own, others, trials)
        parts = (cube.groups, at.x, at.t, at.trial, at.studies, values)
        return cls(len(others), *(part.tobytes() for part in parts))

    @property
    def process(self) -> CurveProcess:
        return CurveProcess(np.frombuffer(self.groups, np.int64), self.earlier)

    @property
    def points(self) -> Points:
        shares = np.frombuffer(self.t)
        configs = np.frombuffer(self.x).reshape(len(shares), -1)
        return Points(configs, shares, np.frombuffer(self.trial, np.int64), np.frombuffer(self.study, np.int64))


@lru_cache(maxsize=32)
def _theta(data: _Data) -> Reals:
    """The parameters for the data, cached because every draw needs them."""
    return data.process.fit(data.points, np.frombuffer(data.values), _STEPS)


@lru_cache(maxsize=64)
def _negative_log_likelihood(data: _Data, fitted_to: _Data) -> float:
    """That of the data with the parameters that are fitted to others, cached because every draw needs it."""
    return data.process.negative_log_likelihood(_theta(fitted_to), data.points, np.frombuffer(data.values))


_MAX_POINTS, _MAX_EARLIER_POINTS = 500, 160
"""The maximum number of points to condition on, and of points of earlier studies among them: the cost is cubic."""

_MAX_BELIEVED = 250
"""The maximum number of running trials whose values are predicted: the cost is cubic in them, too."""

_ROOT_TAU = math.sqrt(2 * math.pi)

_NEGLIGIBLE = 1e-12
"""An expected improvement that is none, on the process' scale."""


class CurveModel:
    """The process, conditioned on the values of this study and of earlier ones."""

    def __init__(
        self,
        cube: Cube,
        before: Sequence[Observation],
        history: Sequence[Observation],
        earlier: Sequence[EarlierStudy],
        epochs: int,
    ) -> None:
        fit = curve_fit(cube, history, earlier, epochs)
        self._before, self._earlier = before, [earlier[number] for number in fit.counted]
        known = own_points(cube, before, epochs, _MAX_POINTS - _MAX_EARLIER_POINTS * bool(fit.counted))
        self._scale = None if known is None else known.scale
        self._process, self._theta = CurveProcess(cube.groups, len(fit.counted)), fit.theta
        self._at, values = join_points(known, points_of(cube, self._earlier, epochs, _MAX_EARLIER_POINTS), len(before))
        running = [trial for trial, one in enumerate(before) if one.state == "open"]
        self._posterior = Posterior(self._process, self._theta, self._at, values)
        if not running:
            return
        points, trials = cube.points(units_of(cube, [before[trial] for trial in running])), np.array(running)
        if len(running) > _MAX_BELIEVED:
            # A config is drawn only where much is expected, so these are the ones that it may repeat.
            chosen = np.argsort(-self.gains(points), kind="stable")[:_MAX_BELIEVED]
            points, trials = points[chosen], trials[chosen]
        self._posterior.believe(Points(points, np.ones(len(trials)), trials))

    def gains(self, points: Reals) -> Reals:
        """The expected improvement at the last epoch, on the process' scale (Jones et al. 1998).

        Before this study's first value, the scale of its values is unknown, and the result is minus the expected value.
        If no config is expected to improve on the best loss, because noise made it that good, the result is the
        improvement on the best predicted loss. Otherwise, the least certain configs would be drawn, however poor.
        """
        mean, std = self._posterior.predict(_at_end(points))
        if self._scale is None:
            return -mean
        improvement = _improvement(self._scale.least, mean, std)
        return improvement if improvement.max() >= _NEGLIGIBLE else _improvement(self._best_predicted, mean, std)

    @cached_property
    def _best_predicted(self) -> float:
        """The least value at the last epoch that is predicted of this study's configs."""
        own = self._at.x[self._at.studies == 0]
        return float(self._posterior.predict(_at_end(np.unique(own, axis=0)))[0].min())

    def reason(self, point: Reals, epochs: int) -> str:
        """Why a config is drawn: the improvement in units of the loss, and the trial with the largest covariance
        there.
        """
        at = _at_end(point)
        # All trials at their end: at an early epoch, all configs' values are similar.
        ends = Points(self._at.x, np.ones(len(self._at.t)), self._at.trial, self._at.study)
        nearest = int(np.argmax(self._process.covariance(self._theta, at, ends)[0]))
        study = int(self._at.studies[nearest])
        name = "" if study else self._before[self._at.trial[nearest]].trial_id
        where = f" near trial {name}" if name else f" near a trial of {self._earlier[study - 1].name}" if study else ""
        if self._scale is None:
            return f"Best according to earlier studies,{where}."
        mean, std = self._posterior.predict(at)
        if _improvement(self._scale.least, mean, std)[0] >= _NEGLIGIBLE:
            gain = self._scale.expected(float(mean[0]), float(std[0]), self._scale.least)
            return f"Expected improvement {gain:.2g} at epoch {epochs}{where}."
        gain = self._scale.expected(float(mean[0]), float(std[0]), self._best_predicted)
        over = f"Expected improvement {gain:.2g} on the best predicted value at epoch {epochs}{where}"
        return f"{over}; no improvement on the best value is expected."


def _improvement(least: float, mean: Reals, std: Reals) -> Reals:
    """The expected improvement on a value, of normal distributions."""
    from scipy.special import ndtr

    better = (least - mean) / std
    improvement: Reals = std * (better * ndtr(better) + np.exp(-0.5 * better**2) / _ROOT_TAU)
    return improvement


def _at_end(points: Reals) -> Points:
    """Points of new trials at their last epoch."""
    return Points(points, np.ones(len(points)), np.full(len(points), -1))
