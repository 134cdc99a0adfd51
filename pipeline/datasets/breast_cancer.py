"""scikit-learn's breast cancer data: thirty measurements of cells, malignant or benign (Wolberg et al. 1995, UCI)."""

import numpy as np

from pipeline.datasets.base import Dataset, Split
from pipeline.datasets.columns import divided, scaled

__all__ = ["breast_cancer"]


def breast_cancer() -> Dataset:
    """The measurements, each from 0 to 1 over the training rows, and two classes in one column.

    Returns:
        x float32, shape (rows, 30); y float32, shape (rows, 1): 0 malignant, 1 benign. 343 rows to train on, 113 to
        validate on, 113 to test on, divided by chance, the same each time, each with the same part of both classes.
    """
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    train, validation, test = divided(len(found.target), found.target)
    x, y = scaled(found.data, train), found.target.astype(np.float32).reshape(-1, 1)
    return Dataset(
        name="breast-cancer",
        train=Split(x[train], y[train]),
        validation=Split(x[validation], y[validation]),
        test=Split(x[test], y[test]),
        classes=[str(name) for name in found.target_names],
        facts={"inputs": 30, "columns": [str(name) for name in found.feature_names]},
    )
