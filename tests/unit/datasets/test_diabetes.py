"""scikit-learn's diabetes data."""

import numpy as np
from sklearn.datasets import load_diabetes

from pipeline.datasets import load


def test_it_is_scikit_learns() -> None:
    """The targets of all splits, converted back to their units, are the published ones, in as many rows."""
    data = load("diabetes")
    assert data.test is not None
    splits = (data.train, data.validation, data.test)
    assert [split.x.shape for split in splits] == [(266, 10), (88, 10), (88, 10)]
    targets = np.concatenate([split.y[:, 0] for split in splits]) * data.facts["target_std"] + data.facts["target_mean"]
    np.testing.assert_allclose(np.sort(targets), np.sort(load_diabetes().target), rtol=1e-5)


def test_inputs_are_scaled_by_the_training_rows_alone() -> None:
    """Inputs of training rows range from 0 to 1, and some rows of other splits are outside of that range."""
    data = load("diabetes")
    assert (data.train.x.min(axis=0) == 0).all()
    assert (data.train.x.max(axis=0) == 1).all()
    others = np.concatenate([data.validation.x, data.test.x])
    assert others.min() < 0 or others.max() > 1
