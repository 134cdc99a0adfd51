"""scikit-learn's digits."""

import numpy as np
from sklearn.datasets import load_digits

from pipeline.datasets import load


def test_it_is_scikit_learns_in_its_order() -> None:
    """The splits have 1,200, 297 and 300 rows in scikit-learn's order, each pixel divided by 16."""
    digits = load("digits")
    assert digits.test is not None
    splits = (digits.train, digits.validation, digits.test)
    pixels, labels = load_digits(return_X_y=True)
    assert [split.rows for split in splits] == [1200, 297, 300]
    assert np.array_equal(np.concatenate([split.x for split in splits]) * 16, pixels)
    assert np.array_equal(np.concatenate([split.y for split in splits]).argmax(axis=1), labels)
