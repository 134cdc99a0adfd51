"""The folds of cross-validation: which training rows each model of a trial trains on, and which validate it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.datasets import Split
from pipeline.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """The rows of the training split that a model trains on, and those that validate it."""

    number: int = 0
    train: np.ndarray | None = None
    validation: np.ndarray | None = None


WHOLE = Fold()
"""All of the training split, compared by the validation split."""


def folds_of(split: Split, folds: int, *, seed: int) -> list[Fold]:
    """Divide training rows into folds, each the validation part of one model and in the training part of the others."""
    if folds == 1:
        return [WHOLE]
    if split.rows < folds:
        raise DataError(f"There are {split.rows} training rows for {folds} folds; set folds to at most as many.")
    from sklearn.model_selection import KFold, StratifiedKFold

    classes = _classes(split.y)
    rare = classes is None or np.unique(classes, return_counts=True)[1].min() < folds
    kind = KFold if rare else StratifiedKFold
    divided = kind(folds, shuffle=True, random_state=seed).split(np.zeros(split.rows), classes)
    return [
        Fold(number, train.astype(np.int32), validation.astype(np.int32))
        for number, (train, validation) in enumerate(divided, 1)
    ]


def _classes(targets: Any) -> np.ndarray | None:
    """The class of each row, where the targets are classes: whole numbers, or rows with a single one among zeros."""
    if not isinstance(targets, np.ndarray):
        return None
    flat = targets.reshape(len(targets), -1)
    if flat.shape[1] == 1:
        # Numbers to be predicted are whole by chance, and then many.
        whole = (flat == np.floor(flat)).all() and len(np.unique(flat)) <= max(2, len(flat) // 10)
        return flat[:, 0].astype(np.int64) if whole else None
    one_hot = ((flat == 0) | (flat == 1)).all() and (flat.sum(axis=1) == 1).all()
    classes: np.ndarray = flat.argmax(axis=1)
    return classes if one_hot else None
