"""Data sets: what a study trains, validates and tests on.

Those that tunepipe brings are split in the same way every time, so that studies can be compared.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.code.modules import sentence_of
from pipeline.datasets.base import (
    ConfigReads as ConfigReads,
    Dataset as Dataset,
    RecordedConfig as RecordedConfig,
    Split as Split,
    batches_of as batches_of,
    differences as differences,
    fingerprint as fingerprint,
    is_endless as is_endless,
    is_tf_data as is_tf_data,
    kind_of as kind_of,
    leaves as leaves,
    pipeline_text as pipeline_text,
    takes_config as takes_config,
)
from pipeline.datasets.parquet import features, find_files, is_parquet, one_hot, read
from pipeline.errors import DataError, UserError
from pipeline.storage import Store
from pipeline.text import did_you_mean

_MNIST = Path(__file__).parent / "mnist"


def mnist() -> Dataset:
    """28 × 28 grey images of handwritten digits (LeCun, Cortes and Burges), flat, from 0 to 1; one-hot targets.

    The published training set is split in its order: the first 50,000 images for training, the last 10,000 for
    validation, as is customary. It contains no image twice, so no image is in two splits.
    """

    def published(split: str) -> Split:
        table = Store(_MNIST).read_table(f"{split}.parquet")
        x = features(table.column("image"), "image", "MNIST")
        return Split(x, one_hot(np.asarray(table.column("label")), 10))

    training = published("train")
    return Dataset(
        name="mnist",
        train=training.part(slice(50_000)),
        validation=training.part(slice(50_000, None)),
        test=published("test"),
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


DATASETS: dict[str, Callable[[], Dataset]] = {
    "breast-cancer": breast_cancer,
    "diabetes": diabetes,
    "digits": digits,
    "mnist": mnist,
}
"""Every data set by the name that a job uses."""


def load(data: str | Callable[..., Any], config: RecordedConfig | None = None) -> Dataset:
    """Load the data set that a job's `data` names: a bundled one, Parquet files, or what a function returns.

    `config` is for a function that takes it.
    """
    if callable(data):
        return _call(data, () if config is None else (config,))
    if data in DATASETS:
        return DATASETS[data]()
    if is_parquet(data):
        return read(data)
    raise DataError(
        f"There is no data set {data!r}.{did_you_mean(data, DATASETS, quoted=True)} Available: "
        f"{', '.join(sorted(DATASETS))}; a path that ends in .parquet, a folder of such files with a / at its end, and "
        "a function that returns a Dataset are allowed too. pandas converts a CSV file: pd.read_csv(…).to_parquet(…)."
    )


def check_files(data: Any) -> None:
    """Check that a job's data exist, as far as that is possible without loading them."""
    if isinstance(data, str) and data not in DATASETS and is_parquet(data):
        find_files(data)


def _call(function: Callable[..., Any], arguments: tuple[RecordedConfig, ...]) -> Dataset:
    name = getattr(function, "__qualname__", repr(function))
    try:
        dataset = function(*arguments)
    except DataError as error:
        # The cause has the line at which the function makes a Split or a Dataset that cannot be used.
        raise DataError(str(error)) from error
    except UserError:
        raise
    except (Exception, GeneratorExit, SystemExit) as error:
        raise DataError(f"The data function {name} raised {sentence_of(error)}") from error
    if not isinstance(dataset, Dataset):
        raise DataError(
            f"The data function {name} returned {type(dataset).__name__}; it must return a Dataset, "
            "such as Dataset(train=(x, y), validation=(x, y))."
        )
    for split, arrays in dataset.arrays.items():
        _check(arrays, f"{split} split of the data function {name}")
    return dataset


def _check(split: Split, where: str) -> None:
    """Check that inputs are numbers or text, and targets and weights numbers."""
    inputs = leaves(split.x)
    for place, array in enumerate([*inputs, *leaves((split.y, split.weight))]):
        if not _is_usable(array, text=place < len(inputs)):
            raise DataError(
                f"The {where} holds {getattr(array, 'dtype', type(array).__name__)}, which is allowed neither as an "
                "input, which may be a NumPy array of numbers or text, nor as a target or weight, which may have "
                "numbers. np.unique(y, return_inverse=True) numbers classes, and fillna('') replaces missing texts."
            )
    if not split.rows:
        raise DataError(f"The {where} has no rows; at least one is needed.")


def _is_usable(array: Any, *, text: bool) -> bool:
    if not isinstance(array, np.ndarray) or not text:
        return isinstance(array, np.ndarray) and array.dtype.kind in "biuf"
    return array.dtype.kind in "biufUS" or (array.dtype.kind == "O" and {*map(type, array.flat)} <= {str, bytes})
