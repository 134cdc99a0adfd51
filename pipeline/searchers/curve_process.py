"""A Gaussian process over config and epoch, for learning curves.

Similar to freeze-thaw Bayesian optimisation (Swersky et al. 2014): the change that a curve has left decays with its
epochs. With t the share of a trial's epochs, κ(t, t') = b / (t + t' + b), and M the Matérn 5/2 covariance over configs:

    M(x, x') · (s_f + s_g · κ) + s_m · κ + [same trial] · (s_a + s_h · κ) + [same point] · noise

s_f is the variance of the final values of configs, s_g that of the differences between their curves, s_m that of the
common curve; s_a and s_h are those of single trials. All are fitted, each with a log-normal prior (MAP).
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Reals: TypeAlias = npt.NDArray[np.float64]

_ROOT = np.sqrt(5.0)
_JITTER = 1e-6
"""Added to the variance of the noise, so that a covariance has a Cholesky factor."""

_START = np.log([1.0, 0.5, 0.5, 0.05, 0.1, 0.058, 0.01])
"""Prior means of log s_f, s_g, s_m, s_a, s_h, b and noise, for values of mean 0 and standard deviation 1."""
_CHANCE = np.array([0, 0, 0, 1, 1, 0, 1])
"""Which of them differ between trials of one config."""
_SPREAD = np.array([1.0, 1.0, 1.0, 1.5, 1.5, 1.0, 1.5])
_SCALE, _SCALE_SPREAD, _SCALE_AXES = 0.7, 0.8, 7
"""The prior of length scales: 0.7 for seven parameters, proportional to the square root of their number."""
_WIDEST = 4.0
"""Largest distance of a parameter of the process from its prior, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Points:
    """Points of the process: configs at epochs."""

    x: Reals
    t: Reals
    trial: npt.NDArray[np.int64]


def at_end(x: Reals) -> Points:
    """Configs of no trial at the last epoch, which all have in common: covariances with one column take less time."""
    return Points(x, np.ones(1), np.array([-1]))


class CurveProcess:
    """The process' covariance, and the fit of its parameters. What is chance may have a smaller prior."""

    def __init__(self, groups: npt.NDArray[np.int64], chance: float = 1.0) -> None:
        self._groups, self._count = groups, int(groups.max()) + 1
        scale = np.log(_SCALE * np.sqrt(self._count / _SCALE_AXES))
        self.prior: Reals = np.concatenate([np.full(self._count, scale), _START + np.log(chance) * _CHANCE])
        self.spread: Reals = np.concatenate([np.full(self._count, _SCALE_SPREAD), _SPREAD])

    def covariance(self, theta: Reals, one: Points, other: Points) -> Reals:
        """The covariance between points, without noise."""
        f, g, m, a, h, b, _ = np.exp(theta[self._count :])
        kappa, same = b / (one.t[:, None] + other.t + b), one.trial[:, None] == other.trial
        covariance = self._matern(theta, one.x, other.x)[0]
        covariance *= f + g * kappa
        covariance += m * kappa + same * (a + h * kappa)
        return covariance

    def variance(self, theta: Reals, at: Points) -> Reals:
        """The variance of a config's values, without that of its trial and without noise."""
        f, g, m, _, _, b, _ = np.exp(theta[self._count :])
        variance: Reals = f + (g + m) * b / (2 * at.t + b)
        return variance

    def loss(self, theta: Reals, at: Points, y: Reals) -> tuple[float, Reals]:
        """The negative logarithm of the posterior of theta, up to a constant, and its gradient."""
        from scipy.linalg import cho_solve, cholesky

        f, g, m, a, h, b, noise = np.exp(theta[self._count :])
        matern, r, decay = self._matern(theta, at.x, at.x)
        kappa, same = b / (at.t[:, None] + at.t + b), (at.trial[:, None] == at.trial).astype(np.float64)
        along = f + g * kappa
        covariance = matern * along + m * kappa + same * (a + h * kappa)
        covariance[np.diag_indices(len(y))] += noise + _JITTER
        lower = cholesky(covariance, lower=True, check_finite=False)
        alpha = cho_solve((lower, True), y, check_finite=False)
        apart = (theta - self.prior) / self.spread
        value = 0.5 * y @ alpha + np.log(np.diag(lower)).sum() + 0.5 * apart @ apart
        inner = cho_solve((lower, True), np.eye(len(y)), check_finite=False) - np.outer(alpha, alpha)
        # Sums of squared differences over all pairs, without a matrix for each axis.
        weight = inner * (5 / 3 * (1 + r) * decay) * along
        axes = weight.sum(axis=1) @ at.x**2 - (at.x * (weight @ at.x)).sum(axis=0)
        axes /= np.exp(2 * theta[: self._count][self._groups])
        learned = inner * kappa
        of_variances = [
            f * (inner * matern).sum(),
            g * (learned * matern).sum(),
            m * learned.sum(),
            a * (inner * same).sum(),
            h * (learned * same).sum(),
            (learned * (1 - kappa) * (matern * g + m + same * h)).sum(),
            noise * np.trace(inner),
        ]
        of_scales = np.bincount(self._groups, weights=axes, minlength=self._count)
        return float(value), np.concatenate([of_scales, 0.5 * np.array(of_variances)]) + apart / self.spread

    def fit(self, at: Points, y: Reals, steps: int) -> Reals:
        from scipy.optimize import minimize

        bounds = list(zip(self.prior - _WIDEST * self.spread, self.prior + _WIDEST * self.spread, strict=True))
        optimum = minimize(
            self.loss, self.prior, args=(at, y), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps}
        )
        theta: Reals = optimum.x
        return theta

    def _matern(self, theta: Reals, one: Reals, other: Reals) -> tuple[Reals, Reals, Reals]:
        """The covariance, the distances times the root of 5, and their exponential decay."""
        scales = np.exp(theta[: self._count])[self._groups] / _ROOT
        one, other = one / scales, other / scales
        squares = -2 * one @ other.T
        squares += (one * one).sum(axis=1)[:, None]
        squares += (other * other).sum(axis=1)
        r = np.sqrt(np.maximum(squares, 0.0, out=squares), out=squares)
        decay = np.exp(-r)
        matern = r * r
        matern /= 3
        matern += r
        matern += 1
        matern *= decay
        return matern, r, decay


class Posterior:
    """The process, conditioned on known values."""

    def __init__(self, process: CurveProcess, theta: Reals, at: Points, y: Reals) -> None:
        from scipy.linalg import cho_solve, cholesky

        self._process, self._theta, self._at = process, theta, at
        self._noise = float(np.exp(theta[-1])) + _JITTER
        self._believed: Points | None = None
        covariance = process.covariance(theta, at, at)
        covariance[np.diag_indices(len(y))] += self._noise
        self._lower = cholesky(covariance, lower=True, check_finite=False)
        self._alpha = cho_solve((self._lower, True), y, check_finite=False)

    def believe(self, points: Points) -> None:
        """Count points as known with their expected values: this changes no mean, and lowers variances."""
        from scipy.linalg import cholesky, solve_triangular

        across = self._process.covariance(self._theta, self._at, points)
        self._across = solve_triangular(self._lower, across, lower=True, check_finite=False)
        rest = self._process.covariance(self._theta, points, points) - self._across.T @ self._across
        rest[np.diag_indices(len(rest))] += self._noise
        self._rest = cholesky(rest, lower=True, check_finite=False)
        self._believed = points

    def predict(self, at: Points) -> tuple[Reals, Reals]:
        """Mean and standard deviation of configs' values, without the component of a single trial, which is chance."""
        from scipy.linalg import solve_triangular

        across = self._process.covariance(self._theta, self._at, at)
        mean: Reals = across.T @ self._alpha
        inner = solve_triangular(self._lower, across, lower=True, check_finite=False)
        variance = self._process.variance(self._theta, at) - (inner * inner).sum(axis=0)
        if self._believed is not None:
            rest = self._process.covariance(self._theta, self._believed, at) - self._across.T @ inner
            rest = solve_triangular(self._rest, rest, lower=True, check_finite=False)
            variance -= (rest * rest).sum(axis=0)
        return mean, np.sqrt(np.maximum(variance, 1e-9))
