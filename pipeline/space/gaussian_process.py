"""A Gaussian process over points, shared by the searchers and schedulers that learn.

The process is that of scikit-learn's `GaussianProcessRegressor`, computed in a third of the time or less: sums over all
pairs of points give the gradient of the likelihood, without a matrix for each axis.
"""

from typing import Self

import numpy as np
import numpy.typing as npt

_Reals = npt.NDArray[np.float64]

_ROOT = np.sqrt(5.0)
_JITTER = 1e-8
"""Added to the variance of the noise, so that a covariance has a Cholesky factor."""

_SCALE, _SCALES = 0.5, (0.05, 20.0)
"""The length scale from which the fit starts, and its bounds: at the upper one, an axis does not matter."""
_NOISE, _NOISES = 1e-3, (1e-6, 1.0)
"""The variance of the noise from which the fit starts, and its bounds."""
_ITERATIONS = 30
"""Limit of iterations of the fit, so that a draw takes a short time."""


class GaussianProcess:
    """A process with Matérn 5/2 covariance of variance 1, a length scale for each axis, and noise."""

    def __init__(self, theta: _Reals, points: _Reals, values: _Reals) -> None:
        from scipy.linalg import cho_solve, cholesky

        self._theta, self._points = theta, points
        self._lower = cholesky(_noisy(theta, _matern(_apart(theta, points, points))), lower=True, check_finite=False)
        self._weights = cho_solve((self._lower, True), values, check_finite=False)

    @classmethod
    def fit(cls, points: _Reals, values: _Reals) -> Self:
        """The process of the largest likelihood, by L-BFGS."""
        from scipy.optimize import minimize

        axes = points.shape[1]
        start, bounds = np.log([*[_SCALE] * axes, _NOISE]), np.log([*[_SCALES] * axes, _NOISES])
        optimum = minimize(
            _loss, start, (points, values), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _ITERATIONS}
        )
        return cls(optimum.x, points, values)

    def over(self, points: _Reals) -> Self:
        """The process with the same parameters over other points: for its deviations, which need no values."""
        return type(self)(self._theta, points, np.zeros(len(points)))

    @property
    def noise(self) -> float:
        """The variance of the noise."""
        return float(np.exp(self._theta[-1]))

    def mean(self, points: _Reals) -> _Reals:
        """The means of values at points, as `predict` returns them, in a fraction of its time."""
        mean: _Reals = _matern(_apart(self._theta, points, self._points)) @ self._weights
        return mean

    def predict(self, points: _Reals) -> tuple[_Reals, _Reals]:
        """The distribution of noisy values at points."""
        from scipy.linalg import solve_triangular

        between = _matern(_apart(self._theta, points, self._points))
        explained = solve_triangular(self._lower, between.T, lower=True, check_finite=False)
        variance = 1.0 + np.exp(self._theta[-1]) - np.einsum("ij,ij->j", explained, explained)
        return between @ self._weights, np.sqrt(np.maximum(variance, 0.0))


def _loss(theta: _Reals, points: _Reals, values: _Reals) -> tuple[float, _Reals]:
    """The negative logarithm of the likelihood, up to a constant, and its gradient."""
    from scipy.linalg import cho_solve, cholesky, lapack

    r = _apart(theta, points, points)
    lower = cholesky(_noisy(theta, _matern(r)), lower=True, check_finite=False)
    weights = cho_solve((lower, True), values, check_finite=False)
    value = 0.5 * values @ weights + np.log(np.diag(lower)).sum()
    half = np.tril(lapack.dpotri(lower, lower=True)[0])
    inverse = half + half.T
    inverse[np.diag_indices(len(values))] *= 0.5
    inner = inverse - np.outer(weights, weights)
    slope = np.empty_like(theta)
    slope[-1] = 0.5 * np.exp(theta[-1]) * np.trace(inner)
    # Sums of squared differences over all pairs, without a matrix for each axis.
    weight, scaled = inner * ((1 + r) * np.exp(-r)), points / np.exp(theta[:-1])
    slope[:-1] = 5 / 3 * (weight.sum(axis=1) @ scaled**2 - (scaled * (weight @ scaled)).sum(axis=0))
    return float(value), slope


def _apart(theta: _Reals, one: _Reals, other: _Reals) -> _Reals:
    """The distances of points, each axis in units of its length scale, times the square root of five."""
    scales = np.exp(theta[:-1]) / _ROOT
    one, other = one / scales, other / scales
    squares = (one * one).sum(axis=1)[:, None] + (other * other).sum(axis=1) - 2 * one @ other.T
    distances: _Reals = np.sqrt(np.maximum(squares, 0.0))
    return distances


def _matern(apart: _Reals) -> _Reals:
    covariance: _Reals = (1 + apart + apart**2 / 3) * np.exp(-apart)
    return covariance


def _noisy(theta: _Reals, covariance: _Reals) -> _Reals:
    covariance[np.diag_indices(len(covariance))] += np.exp(theta[-1]) + _JITTER
    return covariance
