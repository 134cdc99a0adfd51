"""The data sets that tunepipe brings; each is split in the same way every time, so that studies can be compared."""

from pathlib import Path

import numpy as np

from pipeline.datasets.base import Dataset, Split
from pipeline.datasets.columns import features, one_hot
from pipeline.storage import Store

_MNIST = Path(__file__).parent / "mnist"


def mnist() -> Dataset:
    """28 × 28 grey images of handwritten digits (LeCun, Cortes and Burges), flat, from 0 to 1; one-hot targets.

    The published training set is split in its order: the first 50,000 images for training, the last 10,000 for
    validation, as is customary. It contains no image twice, so no image is in two splits.
    """

    def read(split: str) -> Split:
        table = Store(_MNIST).read_table(f"{split}.parquet")
        x = features(table.column("image"), "image", "MNIST")
        return Split(x, one_hot(np.asarray(table.column("label")), 10))

    published = read("train")
    return Dataset(
        name="mnist",
        train=published.part(slice(50_000)),
        validation=published.part(slice(50_000, None)),
        test=read("test"),
        classes=[str(digit) for digit in range(10)],
        facts={"image_shape": [28, 28], "inputs": 784},
    )


def digits() -> Dataset:
    """scikit-learn's 8 × 8 images of digits (Alpaydin and Kaynak, UCI), in its order, which mixes the classes well."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = Split((pixels / 16).astype(np.float32), one_hot(labels, 10))
    return Dataset(
        name="digits",
        train=images.part(slice(1200)),
        validation=images.part(slice(1200, 1497)),
        test=images.part(slice(1497, None)),
        classes=[str(digit) for digit in range(10)],
        facts={"image_shape": [8, 8], "inputs": 64},
    )


def diabetes() -> Dataset:
    """scikit-learn's ten measurements, from 0 to 1, and how the disease progressed (Efron et al. 2004)."""
    from sklearn.datasets import load_diabetes

    source = load_diabetes(scaled=False)
    train, validation, test = _random_split(len(source.target))
    mean, deviation = source.target[train].mean(), source.target[train].std()
    y = ((source.target - mean) / deviation).astype(np.float32).reshape(-1, 1)
    rows = Split(_scaled(source.data, train), y)
    return Dataset(
        name="diabetes",
        train=rows.part(train),
        validation=rows.part(validation),
        test=rows.part(test),
        facts={
            "inputs": 10,
            "columns": list(source.feature_names),
            "target_mean": float(mean),
            "target_std": float(deviation),
        },
    )


def breast_cancer() -> Dataset:
    """scikit-learn's thirty measurements of cells, from 0 to 1: malignant or benign (Wolberg et al. 1995, UCI)."""
    from sklearn.datasets import load_breast_cancer

    source = load_breast_cancer()
    train, validation, test = _random_split(len(source.target), source.target)
    rows = Split(_scaled(source.data, train), source.target.astype(np.float32).reshape(-1, 1))
    return Dataset(
        name="breast-cancer",
        train=rows.part(train),
        validation=rows.part(validation),
        test=rows.part(test),
        classes=[str(name) for name in source.target_names],
        facts={"inputs": 30, "columns": [str(name) for name in source.feature_names]},
    )


def _scaled(columns: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Columns of numbers, each scaled to 0 to 1 over the training rows; other rows may be slightly outside."""
    low, high = columns[train].min(axis=0), columns[train].max(axis=0)
    units: np.ndarray = (columns - low) / (high - low)
    return units.astype(np.float32)


def _random_split(rows: int, classes: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers: three fifths for training, a fifth each for validation and testing, with equal shares of classes."""
    from sklearn.model_selection import train_test_split

    def split(whole: np.ndarray, size: int) -> list[np.ndarray]:
        share = None if classes is None else classes[whole]
        return [np.sort(part) for part in train_test_split(whole, test_size=size, random_state=0, stratify=share)]

    rest, test = split(np.arange(rows), rows // 5)
    train, validation = split(rest, rows // 5)
    return train, validation, test
