"""A Gaussian process over config and epoch, for learning curves.

Similar to freeze-thaw Bayesian optimisation (Swersky et al. 2014): the change that a curve has left decays with its
epochs. With t the share of a trial's epochs, κ(t, t') = b / (t + t' + b), and M the Matérn 5/2 covariance over configs:

    M(x, x') · (s_f + s_g · κ) + s_m · κ + [same trial] · (s_a + s_h · κ) + [same point] · noise

s_f is the variance of the final values of configs, s_g that of the differences between their curves, s_m that of the
common curve; s_a and s_h are those of single trials. All are fitted, each with a log-normal prior (MAP).

Studies before this one are additional tasks of the process (multi-task Bayesian optimisation, Swersky et al. 2013): M
counts with a factor ρ between this study and an earlier one, and with the product of their factors between two earlier
ones. ρ is from 0, nothing is learned from that study, to 1, it has the same function of the config. Everything else is
each study's own, with a level of its values and a variance of its trials.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Reals: TypeAlias = npt.NDArray[np.float64]

_ROOT = np.sqrt(5.0)
JITTER = 1e-6
"""Added to the variance of the noise, so that a covariance has a Cholesky factor."""

_START = np.log([1.0, 0.5, 0.5, 0.05, 0.1, 0.058, 0.01])
"""Prior means of log s_f, s_g, s_m, s_a, s_h, b and noise, for values of mean 0 and standard deviation 1."""
_SPREAD = np.array([1.0, 1.0, 1.0, 1.5, 1.5, 1.0, 1.5])
_SCALE, _SCALE_SPREAD, _SCALE_AXES = 0.7, 0.8, 7
"""The prior of length scales: 0.7 for seven parameters, proportional to the square root of their number."""
_ALIKE, _ALIKE_SPREAD = 0.0, 1.5
"""The prior of a study's factor ρ, as the logarithm of ρ / (1 − ρ)."""
_LUCK, _LUCK_SPREAD = np.log(0.05), 1.5
"""The prior of an earlier study's additional variance of trials: parameters that are not in this space add to it."""
_LEVEL = 1.0
"""The variance of a study's level: values are relative to the configs that it tried, which may be better than those of
another."""
_WIDEST = 4.0
"""Largest distance of a parameter of the process from its prior, in standard deviations."""


@dataclass(frozen=True, slots=True)
class Points:
    """Points of the process: configs at epochs."""

    x: Reals
    t: Reals
    trial: npt.NDArray[np.int64]
    study: npt.NDArray[np.int64] | None = None

    @property
    def studies(self) -> npt.NDArray[np.int64]:
        """The number of each point's study."""
        return np.zeros(len(self.t), np.int64) if self.study is None else self.study


class CurveProcess:
    """The process' covariance, and the fit of its parameters."""

    def __init__(self, groups: npt.NDArray[np.int64], earlier: int = 0) -> None:
        self._groups, self._earlier = groups, earlier
        self._count = count = int(groups.max()) + 1
        self._own = slice(count, count + len(_START))
        self._alike = slice(self._own.stop, self._own.stop + earlier)
        scale = np.log(_SCALE * np.sqrt(count / _SCALE_AXES))
        more, ones = [np.full(count, scale), _START], np.ones(earlier)
        self.prior: Reals = np.concatenate([*more, _ALIKE * ones, _LUCK * ones])
        more = [np.full(count, _SCALE_SPREAD), _SPREAD]
        self.spread: Reals = np.concatenate([*more, _ALIKE_SPREAD * ones, _LUCK_SPREAD * ones])

    def study_factors(self, theta: Reals) -> Reals:
        """How much each earlier study counts: its factor ρ, from 0 to below 1."""
        factors: Reals = 1 / (1 + np.exp(-theta[self._alike]))
        return factors

    def noise(self, theta: Reals) -> float:
        """The variance of the noise."""
        return float(np.exp(theta[self._own.stop - 1]))

    def covariance(self, theta: Reals, one: Points, other: Points) -> Reals:
        """The covariance between points, without noise."""
        f, g, m, a, h, b, _ = np.exp(theta[self._own])
        matern = self._matern(theta, one.x, other.x)[0]
        kappa = b / (one.t[:, None] + other.t + b)
        same = one.trial[:, None] == other.trial
        covariance: Reals
        if not self._earlier:
            # As `matern * (f + g * kappa) + m * kappa + same * (a + h * kappa)`, in place.
            covariance = matern
            covariance *= f + g * kappa
            covariance += m * kappa
            rows, columns = np.nonzero(same)
            covariance[rows, columns] += a + h * kappa[rows, columns]
            return covariance
        studies, factors = one.studies[:, None] == other.studies, self._factors(theta)
        between = np.where(studies, 1.0, factors[one.studies][:, None] * factors[other.studies])
        of_trial = np.concatenate([[0.0], np.exp(theta[self._alike.stop :])])[one.studies][:, None]
        covariance = matern * between * (f + g * kappa)
        covariance += studies * (m * kappa + _LEVEL) + same * (a + h * kappa + of_trial)
        return covariance

    def _factors(self, theta: Reals) -> Reals:
        """The factor of each study, this one first."""
        return np.concatenate([[1.0], self.study_factors(theta)])

    def variance(self, theta: Reals, at: Points) -> Reals:
        """The variance of a config's values, without that of its trial and without noise."""
        f, g, m, _, _, b, _ = np.exp(theta[self._own])
        variance: Reals = f + (g + m) * b / (2 * at.t + b)
        return variance + _LEVEL if self._earlier else variance

    def loss(self, theta: Reals, at: Points, y: Reals) -> tuple[float, Reals]:
        """The negative logarithm of the posterior of theta, up to a constant, and its gradient."""
        from scipy.linalg import cho_solve, cholesky

        count = self._count
        f, g, m, a, h, b, noise = np.exp(theta[self._own])
        matern, r, decay = self._matern(theta, at.x, at.x)
        kappa = b / (at.t[:, None] + at.t + b)
        same = (at.trial[:, None] == at.trial).astype(np.float64)
        along = f + g * kappa
        studies: Reals | float = 1.0
        if self._earlier:
            alike, factors = at.studies[:, None] == at.studies, self._factors(theta)[at.studies]
            studies = alike.astype(np.float64)
            between = np.where(alike, 1.0, factors[:, None] * factors)
            matern, decay = matern * between, decay * between
        covariance = matern * along + m * (kappa * studies) + same * (a + h * kappa)
        if self._earlier:
            of_trial = np.concatenate([[0.0], np.exp(theta[self._alike.stop :])])[at.studies]
            covariance += _LEVEL * studies + same * of_trial
        covariance[np.diag_indices(len(y))] += noise + JITTER
        lower = cholesky(covariance, lower=True, check_finite=False)
        alpha = cho_solve((lower, True), y, check_finite=False)
        apart = (theta - self.prior) / self.spread
        value = 0.5 * y @ alpha + np.log(np.diag(lower)).sum() + 0.5 * apart @ apart
        inner = cho_solve((lower, True), np.eye(len(y)), check_finite=False) - np.outer(alpha, alpha)
        slope = np.empty_like(theta)
        # Sums of squared differences over all pairs, without a matrix for each axis.
        weight = inner * (5 / 3 * (1 + _ROOT * r) * decay) * along
        axes = (weight.sum(axis=1) @ at.x**2 - (at.x * (weight @ at.x)).sum(axis=0)) / np.exp(
            2 * theta[:count][self._groups]
        )
        slope[:count] = np.bincount(self._groups, weights=axes, minlength=count)
        learned = inner * kappa
        slope[self._own] = 0.5 * np.array(
            [
                f * (inner * matern).sum(),
                g * (learned * matern).sum(),
                m * (learned * studies).sum(),
                a * (inner * same).sum(),
                h * (learned * same).sum(),
                (learned * (1 - kappa) * (matern * g + m * studies + same * h)).sum(),
                noise * np.trace(inner),
            ]
        )
        if self._earlier:
            apart_too = (inner * matern * along * (1.0 - studies)).sum(axis=1)
            slope_of_trials = 0.5 * of_trial * (inner * same).sum(axis=1)
            rest = 1 - self._factors(theta)
            for number in range(1, self._earlier + 1):
                mine = at.studies == number
                slope[self._alike.start + number - 1] = rest[number] * apart_too[mine].sum()
                slope[self._alike.stop + number - 1] = slope_of_trials[mine].sum()
        return float(value), slope + apart / self.spread

    def negative_log_likelihood(self, theta: Reals, at: Points, y: Reals) -> float:
        """The negative logarithm of the likelihood of values, up to a constant for each value."""
        apart = (theta - self.prior) / self.spread
        return self.loss(theta, at, y)[0] - float(0.5 * apart @ apart)

    def fit(self, at: Points, y: Reals, steps: int) -> Reals:
        """Fit theta by L-BFGS from the prior."""
        from scipy.optimize import minimize

        bounds = list(zip(self.prior - _WIDEST * self.spread, self.prior + _WIDEST * self.spread, strict=True))
        optimum = minimize(
            self.loss, self.prior, args=(at, y), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps}
        )
        theta: Reals = optimum.x
        return theta

    def _matern(self, theta: Reals, one: Reals, other: Reals) -> tuple[Reals, Reals, Reals]:
        scales = np.exp(theta[: self._count])[self._groups]
        squares = _squares(one / scales, other / scales)
        r = np.sqrt(squares)
        # In place: new matrices of this size take as long as the sums.
        decay = np.multiply(r, -_ROOT)
        np.exp(decay, out=decay)
        matern = np.multiply(r, _ROOT)
        matern += 1
        squares *= 5 / 3
        matern += squares
        matern *= decay
        return matern, r, decay


def _squares(one: Reals, other: Reals) -> Reals:
    """Squared distances between points."""
    squares: Reals = (one * one).sum(axis=-1)[:, None] + (other * other).sum(axis=-1)
    squares -= 2 * one @ other.T
    np.maximum(squares, 0.0, out=squares)
    return squares


class Posterior:
    """The process, conditioned on known values."""

    def __init__(self, process: CurveProcess, theta: Reals, at: Points, y: Reals) -> None:
        from scipy.linalg import cho_solve, cholesky

        self._process, self._theta, self._at, self._noise = process, theta, at, process.noise(theta) + JITTER
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
