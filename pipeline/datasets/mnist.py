"""MNIST: 28 × 28 grey images of handwritten digits (LeCun, Cortes and Burges)."""

from pathlib import Path

import numpy as np

from pipeline.datasets.base import Dataset, Split
from pipeline.datasets.column_arrays import features
from pipeline.datasets.row_arrays import one_hot
from pipeline.storage import Store

_FILES = Path(__file__).parent / "mnist"
_TRAINED = 50_000


def mnist() -> Dataset:
    """MNIST as in the tutorial: flat images from 0 to 1, one-hot targets.

    The published training set is split in its order: the first 50,000 images for training, the last 10,000 for
    validation, as is customary. Nothing is random, so all studies compare on the same images. Each class has 9.2 to
    10.9% of the validation images. The published set contains no image twice, so no image is in two splits.
    """
    x, y = _read("train")
    return Dataset(
        name="mnist",
        train=Split(x[:_TRAINED], y[:_TRAINED]),
        validation=Split(x[_TRAINED:], y[_TRAINED:]),
        test=Split(*_read("test")),
        classes=[str(digit) for digit in range(10)],
        facts={"image_shape": [28, 28], "inputs": 784},
    )


def _read(split: str) -> tuple[np.ndarray, np.ndarray]:
    table = Store(_FILES).read_table(f"{split}.parquet")
    x = features(table.column("image"), "image", "MNIST")
    return x, one_hot(np.asarray(table.column("label")), 10)
