"""MNIST."""

import numpy as np
import pytest

from pipeline.datasets import Dataset, load


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    """MNIST, loaded once."""
    return load("mnist")


def test_the_splits_are_the_customary_ones(mnist: Dataset) -> None:
    """MNIST has 50,000 rows for training, 10,000 for validation, and the published 10,000 for testing."""
    assert mnist.test is not None
    assert [split.x.shape for split in (mnist.train, mnist.validation, mnist.test)] == [
        (50_000, 784),
        (10_000, 784),
        (10_000, 784),
    ]


def test_the_labels_are_mnists(mnist: Dataset) -> None:
    """The first labels of training and test set, and the counts of each digit in both, are the published ones."""
    assert mnist.test is not None
    assert mnist.train.y[:10].argmax(axis=1).tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.test.y[:10].argmax(axis=1).tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    counts = mnist.train.y.sum(axis=0) + mnist.validation.y.sum(axis=0)
    assert counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert mnist.test.y.sum(axis=0).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_a_pixel_is_its_byte_divided_by_255(mnist: Dataset) -> None:
    """Every pixel is a byte divided by 255 as NumPy divides, and converts back to that byte."""
    allowed = np.arange(256, dtype=np.float32) / np.float32(255)
    assert np.isin(mnist.train.x[:2000], allowed).all()
    # Mean and standard deviation of the training pixels, as they are widely quoted.
    pixels = np.concatenate([mnist.train.x, mnist.validation.x]).astype(np.float64)
    assert (round(pixels.mean(), 4), round(pixels.std(), 4)) == (0.1307, 0.3081)


def test_an_image_stands_upright(mnist: Dataset) -> None:
    """Images of the digit 1 are upright: on average, the digit covers more than twice as many rows as columns."""
    one = mnist.train.x[mnist.train.y.argmax(axis=1) == 1].mean(axis=0).reshape(28, 28)
    assert np.count_nonzero(one.max(axis=1) > 0.3) > 2 * np.count_nonzero(one.max(axis=0) > 0.3)
