"""scikit-learn's digits: 8 × 8 images, small enough that a study takes seconds (Alpaydin and Kaynak, UCI)."""

import numpy as np

from pipeline.datasets.base import Dataset, Split
from pipeline.datasets.row_arrays import one_hot


def digits() -> Dataset:
    """The digits in scikit-learn's order, which mixes the classes well."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    x, y = (pixels / 16).astype(np.float32), one_hot(labels, 10)
    return Dataset(
        name="digits",
        train=Split(x[:1200], y[:1200]),
        validation=Split(x[1200:1497], y[1200:1497]),
        test=Split(x[1497:], y[1497:]),
        classes=[str(digit) for digit in range(10)],
        facts={"image_shape": [8, 8], "inputs": 64},
    )
