"""The process over config and epoch."""

import numpy as np
from hypothesis import given, settings, strategies as st

from pipeline.searchers.curve_process import CurveProcess, Points
from tests.unit.searchers.curve_points import GROUPS, points_of


@given(seed=st.integers(0, 2**31 - 1), count=st.integers(2, 25))
def test_the_gradient_is_that_of_finite_differences(seed, count):
    """The gradient equals finite differences for each parameter, at any point within the bounds, for any data."""
    rng, process = np.random.default_rng(seed), CurveProcess(GROUPS)
    at, y = points_of(rng, count), rng.normal(size=count)
    theta = process.prior + process.spread * rng.uniform(-2, 2, len(process.prior))
    value, slope = process.loss(theta, at, y)
    step = 1e-5
    for place in range(len(theta)):
        apart = step * np.eye(len(theta))[place]
        found = (process.loss(theta + apart, at, y)[0] - process.loss(theta - apart, at, y)[0]) / (2 * step)
        # A difference of two large numbers has no more digits.
        np.testing.assert_allclose(slope[place], found, rtol=1e-4, atol=1e-4 + 1e-7 * abs(value))


@given(seed=st.integers(0, 2**31 - 1))
def test_a_fit_stays_within_bounds_and_improves(seed):
    """A fit stays within its bounds and improves its start, also on values that no process explains."""
    rng, process = np.random.default_rng(seed), CurveProcess(GROUPS)
    at, y = points_of(rng, 20), rng.choice([-3.0, 0.0, 3.0], size=20)
    theta = process.fit(at, y, steps=12)
    assert np.isfinite(theta).all()
    assert (np.abs(theta - process.prior) <= 4 * process.spread + 1e-9).all()
    assert process.loss(theta, at, y)[0] <= process.loss(process.prior, at, y)[0]


def _of_studies(rng, count, studies):
    """Points as those of `points_of`, each trial of a study."""
    at = points_of(rng, count)
    return Points(at.x, at.t, at.trial, at.trial % (studies + 1))


@settings(max_examples=25)
@given(seed=st.integers(0, 2**31 - 1), count=st.integers(4, 25), studies=st.integers(1, 3))
def test_the_gradient_with_earlier_studies_is_that_of_finite_differences(seed, count, studies):
    """If there are earlier studies, the gradient equals finite differences for each parameter, too."""
    rng, process = np.random.default_rng(seed), CurveProcess(GROUPS, studies)
    at, y = _of_studies(rng, count, studies), rng.normal(size=count)
    theta = process.prior + process.spread * rng.uniform(-2, 2, len(process.prior))
    (value, slope), step = process.loss(theta, at, y), 1e-5
    for place in range(len(theta)):
        apart = step * np.eye(len(theta))[place]
        found = (process.loss(theta + apart, at, y)[0] - process.loss(theta - apart, at, y)[0]) / (2 * step)
        # A difference of two large numbers has no more digits.
        np.testing.assert_allclose(slope[place], found, rtol=1e-4, atol=1e-4 + 1e-7 * abs(value))


@given(seed=st.integers(0, 2**31 - 1), studies=st.integers(1, 3))
def test_the_covariance_of_studies_is_one(seed, studies):
    """The covariance of points of several studies has no negative eigenvalue, whatever the factors."""
    rng, process = np.random.default_rng(seed), CurveProcess(GROUPS, studies)
    at = _of_studies(rng, 20, studies)
    theta = process.prior + process.spread * rng.uniform(-4, 4, len(process.prior))
    covariance = process.covariance(theta, at, at)
    np.testing.assert_allclose(covariance, covariance.T)
    assert np.linalg.eigvalsh(covariance).min() > -1e-8 * covariance.max()


def test_a_factor_tells_a_study_of_the_same_function_from_one_of_another():
    """The fitted factor of a study with the same function is near 1, and that of one with the opposite is near 0."""
    rng = np.random.default_rng(0)
    x = rng.random((60, len(GROUPS)))
    at = Points(x, np.ones(60), np.arange(60), np.repeat([0, 1, 2], 20))
    y = np.sin(3 * x[:, 0]) + x[:, 1]
    y[40:] *= -1
    process = CurveProcess(GROUPS, 2)
    same, opposite = process.study_factors(process.fit(at, (y - y.mean()) / y.std(), steps=30))
    assert same > 0.85
    assert opposite < 0.2
