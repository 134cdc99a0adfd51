"""The process over config and epoch as a searcher uses it: what it expects at the last epoch, and why."""

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from pipeline.searchers.base import Observation
from pipeline.searchers.curve_fit import curve_fit
from pipeline.searchers.curve_posterior import Posterior
from pipeline.searchers.curve_process import CurveProcess, Points, Reals
from pipeline.searchers.earlier_studies import join_points, points_of
from pipeline.searchers.history import History
from pipeline.searchers.known_points import own_points, units_of
from pipeline.space import Cube

_MAX_POINTS, _MAX_EARLIER_POINTS = 500, 160
"""The maximum number of points to condition on, and of points of earlier studies among them: the cost is cubic."""

_MAX_BELIEVED = 250
"""The maximum number of running trials whose values are predicted: the cost is cubic in them, too."""

_ROOT_TAU = math.sqrt(2 * math.pi)

_NEGLIGIBLE = 1e-12
"""An expected improvement that is none, on the process' scale."""

_DRAWS = 200
"""The number of draws of the process from which the distribution of a mean is estimated."""

_POINTS = 2000
"""About the number of configs whose joint values are predicted together: more take memory, and are not faster."""


class CurveModel:
    """The process, conditioned on the values of this study and of earlier ones."""

    def __init__(self, cube: Cube, before: Sequence[Observation], history: History, epochs: int) -> None:
        fit = curve_fit(cube, history, history.earlier, epochs)
        self._before, self._earlier = before, [history.earlier[number] for number in fit.counted]
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

    def mean_losses(self, groups: Reals) -> Reals:
        """Mean losses of configs at the last epoch. Losses beyond the worst of the process' scale count as that."""
        if self._scale is None:
            raise ValueError("the scale of the losses is not known before the first loss")
        at_once = max(1, _POINTS // groups.shape[1])
        parts = [self._mean_losses(groups[start : start + at_once]) for start in range(0, len(groups), at_once)]
        return np.concatenate([np.empty((0, 3)), *parts])

    def _mean_losses(self, groups: Reals) -> Reals:
        assert self._scale is not None
        mean, covariance = self._posterior.joint(groups)
        # The symmetric root, because rounding leaves eigenvalues below 0, and because it changes little between similar
        # covariances. With the same draws each time, means of similar configs then differ little by chance.
        variances, axes = np.linalg.eigh(covariance)
        root = (axes * np.sqrt(np.maximum(variances, 0.0))[:, None, :]) @ np.swapaxes(axes, -1, -2)
        normal = np.random.default_rng(0).standard_normal((mean.shape[1], _DRAWS // 2))
        draws = root @ np.hstack([normal, -normal])
        means = self._scale.losses(mean[..., None] + draws).mean(axis=1)
        ends: Reals = np.quantile(means, [0.5, 0.05, 0.95], axis=-1).T
        return ends

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
