"""A Gaussian process over points."""

import warnings

import numpy as np
import pytest

from pipeline.space.gaussian_process import GaussianProcess


@pytest.mark.parametrize("count", [3, 60])
def test_it_is_that_of_scikit_learn(count: int) -> None:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import Matern, WhiteKernel

    rng = np.random.default_rng(0)
    points, at = rng.random((count, 4)), rng.random((50, 4))
    values = np.sin(4 * points[:, 0]) + points[:, 1] ** 2 + 0.1 * rng.normal(size=count)
    values = (values - values.mean()) / values.std()
    kernel = Matern(np.full(4, 0.5), (0.05, 20.0), nu=2.5) + WhiteKernel(1e-3, (1e-6, 1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = GaussianProcessRegressor(kernel, alpha=1e-8).fit(points, values)
    mean, deviation = theirs.predict(at, return_std=True)
    found = GaussianProcess.fit(points, values).predict(at)
    np.testing.assert_allclose(found, [mean, deviation], atol=0.02)
