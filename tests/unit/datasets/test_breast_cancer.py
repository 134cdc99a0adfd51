"""scikit-learn's breast cancer data."""

import numpy as np
from sklearn.datasets import load_breast_cancer

from pipeline.datasets import load


def test_it_equals_scikit_learns_data_set() -> None:
    """The data set has as many rows of each class as scikit-learn's, and malignant is 0."""
    data, published = load("breast-cancer"), load_breast_cancer()
    assert data.test is not None
    splits = (data.train, data.validation, data.test)
    assert [split.x.shape for split in splits] == [(343, 30), (113, 30), (113, 30)]
    assert list(data.classes) == ["malignant", "benign"]
    assert sum(split.y.sum() for split in splits) == published.target.sum()


def test_inputs_are_the_published_ones_scaled() -> None:
    """The differences between rows in a column equal the published ones up to a factor, over all splits."""
    data, published = load("breast-cancer"), load_breast_cancer()
    assert data.test is not None
    x = np.sort(np.concatenate([data.train.x, data.validation.x, data.test.x]), axis=0)
    found, expected = (values - values.min(axis=0) for values in (x, np.sort(published.data, axis=0)))
    np.testing.assert_allclose(found / found.max(axis=0), expected / expected.max(axis=0), atol=1e-5)
