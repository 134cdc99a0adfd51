"""scikit-learn's diabetes data: ten measurements, and how the disease progressed (Efron et al. 2004)."""

import numpy as np

from pipeline.datasets.base import Dataset, Split
from pipeline.datasets.columns import divided, scaled

__all__ = ["diabetes"]


def diabetes() -> Dataset:
    """The measurements, each from 0 to 1 over the training rows, and a number to be predicted.

    Returns:
        x float32, shape (rows, 10); y float32, shape (rows, 1), with mean 0 and standard deviation 1 over the training
        rows: times `target_std` plus `target_mean` of the facts it is the number as published. 266 rows to train on,
        88 to validate on, 88 to test on, divided by chance, the same each time.
    """
    from sklearn.datasets import load_diabetes

    found = load_diabetes(scaled=False)
    train, validation, test = divided(len(found.target))
    x = scaled(found.data, train)
    mean, deviation = found.target[train].mean(), found.target[train].std()
    y = ((found.target - mean) / deviation).astype(np.float32).reshape(-1, 1)
    return Dataset(
        name="diabetes",
        train=Split(x[train], y[train]),
        validation=Split(x[validation], y[validation]),
        test=Split(x[test], y[test]),
        facts={
            "inputs": 10,
            "columns": list(found.feature_names),
            "target_mean": float(mean),
            "target_std": float(deviation),
        },
    )
