"""scikit-learn's diabetes data: ten measurements, and how the disease progressed (Efron et al. 2004)."""

import numpy as np

from pipeline.datasets.base import Dataset, Split
from pipeline.datasets.row_arrays import scale_columns, split_rows


def diabetes() -> Dataset:
    """The measurements, each scaled to 0 to 1 over the training rows, and a number to predict."""
    from sklearn.datasets import load_diabetes

    source = load_diabetes(scaled=False)
    train, validation, test = split_rows(len(source.target))
    x = scale_columns(source.data, train)
    mean, deviation = source.target[train].mean(), source.target[train].std()
    y = ((source.target - mean) / deviation).astype(np.float32).reshape(-1, 1)
    return Dataset(
        name="diabetes",
        train=Split(x[train], y[train]),
        validation=Split(x[validation], y[validation]),
        test=Split(x[test], y[test]),
        facts={
            "inputs": 10,
            "columns": list(source.feature_names),
            "target_mean": float(mean),
            "target_std": float(deviation),
        },
    )
