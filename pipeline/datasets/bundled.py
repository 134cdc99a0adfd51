"""The data sets that tunepipe brings; each is split in the same way every time, so that studies can be compared."""

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.datasets.base import Dataset, Split
from pipeline.datasets.parquet import features, one_hot
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
    splits = _random_splits(len(source.target))
    mean, deviation = source.target[splits[0]].mean(), source.target[splits[0]].std()
    facts = {"columns": list(source.feature_names), "target_mean": float(mean), "target_std": float(deviation)}
    return _measured("diabetes", source.data, (source.target - mean) / deviation, splits, [], facts)


def breast_cancer() -> Dataset:
    """scikit-learn's thirty measurements of cells, from 0 to 1: malignant or benign (Wolberg et al. 1995, UCI)."""
    from sklearn.datasets import load_breast_cancer

    source = load_breast_cancer()
    splits = _random_splits(len(source.target), source.target)
    facts = {"columns": [str(name) for name in source.feature_names]}
    return _measured("breast-cancer", source.data, source.target, splits, list(map(str, source.target_names)), facts)


def _measured(
    name: str, columns: np.ndarray, y: np.ndarray, splits: list[np.ndarray], classes: list[str], facts: dict[str, Any]
) -> Dataset:
    """Columns of numbers, each scaled to 0 to 1 over the training rows; other rows may be slightly outside."""
    low, high = columns[splits[0]].min(axis=0), columns[splits[0]].max(axis=0)
    x = ((columns - low) / (high - low)).astype(np.float32)
    rows = Split(x, y.astype(np.float32).reshape(-1, 1))
    train, validation, test = map(rows.part, splits)
    return Dataset(name, train, validation, test, classes, {"inputs": columns.shape[1], **facts})


def _random_splits(rows: int, classes: np.ndarray | None = None) -> list[np.ndarray]:
    """Row numbers: three fifths for training, a fifth each for validation and testing, with equal shares of classes."""
    from sklearn.model_selection import train_test_split

    def split(whole: np.ndarray) -> list[np.ndarray]:
        share = None if classes is None else classes[whole]
        parts = train_test_split(whole, test_size=rows // 5, random_state=0, stratify=share)
        return [np.sort(part) for part in parts]

    rest, test = split(np.arange(rows))
    return [*split(rest), test]
