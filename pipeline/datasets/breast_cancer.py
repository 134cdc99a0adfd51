"""scikit-learn's breast cancer data: thirty measurements of cells, malignant or benign (Wolberg et al. 1995, UCI)."""

import numpy as np

from pipeline.datasets.base import Dataset, Split
from pipeline.datasets.row_arrays import scale_columns, split_rows


def breast_cancer() -> Dataset:
    """The measurements, each scaled to 0 to 1 over the training rows, and two classes in one column."""
    from sklearn.datasets import load_breast_cancer

    source = load_breast_cancer()
    train, validation, test = split_rows(len(source.target), source.target)
    x, y = scale_columns(source.data, train), source.target.astype(np.float32).reshape(-1, 1)
    return Dataset(
        name="breast-cancer",
        train=Split(x[train], y[train]),
        validation=Split(x[validation], y[validation]),
        test=Split(x[test], y[test]),
        classes=[str(name) for name in source.target_names],
        facts={"inputs": 30, "columns": [str(name) for name in source.feature_names]},
    )
