"""The parameters of the curve process, fitted to a study's trials, and which earlier studies count."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from pipeline.searchers.base import Observation
from pipeline.searchers.curve_process import CurveProcess, Points, Reals
from pipeline.searchers.earlier_studies import EarlierStudy, join_points, points_of
from pipeline.searchers.history import MAX_OBSERVATIONS, History
from pipeline.searchers.known_points import KnownPoints, curve_of, own_points
from pipeline.space import Cube

_MAX_POINTS, _MAX_EARLIER_POINTS = 220, 100
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


def curve_fit(cube: Cube, history: History, earlier: Sequence[EarlierStudy], epochs: int) -> CurveFit:
    """Fit the process, and decide which earlier studies count.

    An earlier study counts while the values of this study are at least as likely together with it as alone, and its
    factor is at least one half. The factor alone does not exclude a misleading study, because all studies share length
    scales and variances.
    """
    trials = _at_last_fit(history)
    if not earlier:
        return _alone(cube, trials, epochs)
    own, count = own_points(cube, trials, epochs, _MAX_POINTS - _MAX_EARLIER_POINTS), len(trials)
    others = points_of(cube, earlier, epochs, _MAX_EARLIER_POINTS)
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
    own = own_points(cube, trials, epochs, _MAX_POINTS)
    theta = CurveProcess(cube.groups).prior if own is None else _theta(_Data.of(cube, own, [], len(trials)))
    return CurveFit(theta, (), [])


def _supports(cube: Cube, own: KnownPoints, other: KnownPoints, trials: int) -> bool:
    """Whether this study's values are at least as likely together with an earlier study as alone."""
    alone, both = _Data.of(cube, own, [], trials), _Data.of(cube, own, [other], trials)
    without_own = _Data.of(cube, None, [other], trials)
    together = _negative_log_likelihood(both, both) - _negative_log_likelihood(without_own, both)
    return together <= _negative_log_likelihood(alone, alone)


def _at_last_fit(history: History) -> Sequence[Observation]:
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
