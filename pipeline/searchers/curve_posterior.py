"""What the process over config and epoch expects of other points, given known values."""

import numpy as np

from pipeline.searchers.curve_process import JITTER, CurveProcess, Points, Reals


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

    def joint(self, groups: Reals) -> tuple[Reals, Reals]:
        """Means and covariances of configs' values at the last epoch within groups, without the parts of single
        trials.
        """
        from scipy.linalg import solve_triangular

        count, size, _ = groups.shape
        # Trials of different numbers: then no covariance has the part of a trial.
        one, other = (Points(groups, np.ones(size), np.full(size, number)) for number in (-1, -2))

        def together(covariances: Reals) -> Reals:
            """The columns of all groups side by side: to solve for all takes a fraction of the time for each."""
            return np.moveaxis(covariances, 0, 1).reshape(-1, count * size)

        def by_group(columns: Reals) -> Reals:
            return np.moveaxis(columns.reshape(len(columns), count, size), 0, -1)

        across = together(self._process.covariance(self._theta, self._at, one))
        inner = solve_triangular(self._lower, across, lower=True, check_finite=False)
        known = by_group(inner)
        covariance: Reals = self._process.covariance(self._theta, one, other) - known @ np.swapaxes(known, -1, -2)
        if self._believed is not None:
            rest = together(self._process.covariance(self._theta, self._believed, one)) - self._across.T @ inner
            known = by_group(solve_triangular(self._rest, rest, lower=True, check_finite=False))
            covariance -= known @ np.swapaxes(known, -1, -2)
        mean: Reals = across.T @ self._alpha
        return mean.reshape(count, size), covariance
