"""What the process expects of points whose values are not known."""

import numpy as np
from hypothesis import given, strategies as st

from pipeline.searchers.curve_posterior import Posterior
from pipeline.searchers.curve_process import CurveProcess, Points
from tests.unit.searchers.curve_points import GROUPS, points_of


@given(seed=st.integers(0, 2**31 - 1))
def test_a_believed_point_keeps_the_means_and_reduces_the_variance(seed):
    """A point believed to be at its mean leaves the means unchanged and reduces the uncertainty near it."""
    rng, process = np.random.default_rng(seed), CurveProcess(GROUPS)
    at, y = points_of(rng, 12), rng.normal(size=12)
    believed = Points(rng.random((3, len(GROUPS))), np.ones(3), np.array([50, 51, 52]))
    asked = Points(rng.random((6, len(GROUPS))), np.ones(6), np.full(6, -1))
    alone = Posterior(process, process.prior, at, y)
    both = Posterior(process, process.prior, at, y)
    both.believe(believed)
    together = Points(
        *(
            np.concatenate(pair)
            for pair in zip((at.x, at.t, at.trial), (believed.x, believed.t, believed.trial), strict=True)
        )
    )
    known = Posterior(process, process.prior, together, np.concatenate([y, alone.predict(believed)[0]]))
    np.testing.assert_allclose(both.predict(asked)[0], alone.predict(asked)[0], atol=1e-6)
    np.testing.assert_allclose(both.predict(asked), known.predict(asked), atol=1e-5)
    assert (both.predict(asked)[1] <= alone.predict(asked)[1] + 1e-9).all()


def test_curves_say_more_of_the_end_the_longer_they_are():
    """The longer the known curve of a config is, the smaller is the deviation at its last epoch."""
    process, x = CurveProcess(GROUPS), np.full((1, len(GROUPS)), 0.5)
    asked = Points(x, np.ones(1), np.array([-1]))
    spread = [
        Posterior(process, process.prior, Points(x, np.array([t]), np.array([0])), np.zeros(1)).predict(asked)[1]
        for t in (0.05, 0.25, 1.0)
    ]
    assert spread[0] > spread[1] > spread[2]


@given(seed=st.integers(0, 2**31 - 1))
def test_joint_predictions_have_the_means_and_variances_of_single_ones(seed):
    """The joint prediction of a group has the means and variances of single configs, with and without other groups."""
    rng, process = np.random.default_rng(seed), CurveProcess(GROUPS)
    at, y = points_of(rng, 12), rng.normal(size=12)
    believed = Points(rng.random((3, len(GROUPS))), np.ones(3), np.array([50, 51, 52]))
    groups = rng.random((4, 7, len(GROUPS)))
    # The last config of each group is the first one.
    groups[:, -1] = groups[:, 0]
    for others in (None, believed):
        posterior = Posterior(process, process.prior, at, y)
        if others is not None:
            posterior.believe(others)
        means, covariances = posterior.joint(groups)
        for group, mean, covariance in zip(groups, means, covariances, strict=True):
            expected, deviation = posterior.predict(Points(group, np.ones(7), np.full(7, -1)))
            np.testing.assert_allclose(mean, expected)
            np.testing.assert_allclose(np.sqrt(np.diag(covariance)), deviation, rtol=1e-6)
            np.testing.assert_allclose(covariance[0, -1], covariance[0, 0])
            assert np.linalg.eigvalsh(covariance).min() > -1e-9
            np.testing.assert_allclose(posterior.joint(group[None])[1][0], covariance, atol=1e-9)
