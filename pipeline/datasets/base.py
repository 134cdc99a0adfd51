"""What every data set is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from pipeline.errors import DataError

__all__ = ["Arrays", "Dataset", "Split"]

Arrays: TypeAlias = np.ndarray | Mapping[str, np.ndarray] | tuple[np.ndarray, ...]
"""One array, or a dict or tuple of arrays for a model with several inputs or outputs; rows first."""


@dataclass(frozen=True, slots=True)
class Split:
    """Rows to train on, to validate on, or to test on.

    Args:
        x: Inputs, rows first.
        y: Targets, rows first.
        weight: A weight for each row, shape (rows,); None for equal ones.

    Raises:
        DataError: The arrays differ in their number of rows.
    """

    x: Arrays
    y: Arrays
    weight: np.ndarray | None = None

    def __post_init__(self) -> None:
        rows = {len(array) for array in leaves((self.x, self.y, self.weight))}
        if len(rows) != 1:
            raise DataError(f"The arrays of a split must have the same number of rows; found {sorted(rows)}.")

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(leaves(self.x)[0])


@dataclass(frozen=True, slots=True)
class Dataset:
    """Data for a study, as arrays in memory.

    Args:
        name: What it is called.
        train: What a trial learns from.
        validation: What trials are compared by.
        test: Touched once, for the winner; None where there is none.
        classes: Names of the classes, in the order of the targets; empty where there are none.
        facts: What else a model may want to know, as JSON values.
    """

    name: str
    train: Split
    validation: Split
    test: Split | None = None
    classes: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Size of all arrays together."""
        splits = [self.train, self.validation, *([self.test] if self.test else [])]
        return sum(array.nbytes for split in splits for array in leaves((split.x, split.y, split.weight)))


def leaves(tree: Any) -> list[np.ndarray]:
    """The arrays in nested dicts and tuples, in their order."""
    if tree is None:
        return []
    if isinstance(tree, Mapping):
        return [leaf for value in tree.values() for leaf in leaves(value)]
    if isinstance(tree, tuple):
        return [leaf for value in tree for leaf in leaves(value)]
    return [tree]
