"""The base of all data sets: splits of arrays, or pipelines."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from pipeline.datasets.frames import as_array, is_frame
from pipeline.datasets.pipelines import check_pipeline
from pipeline.datasets.shared_part import SharedPart
from pipeline.errors import DataError

Arrays: TypeAlias = np.ndarray | Mapping[str, np.ndarray] | tuple[np.ndarray, ...]
"""One array, or a dict or tuple of arrays for a model with several inputs or outputs; rows first."""


@dataclass(frozen=True, slots=True)
class Split:
    """Rows for training, validation or testing.

    Tensors and pandas DataFrames and Series are kept as arrays, as Keras takes them: a Series has one column.

    Args:
        x: Inputs, rows first. A list of arrays means several inputs, as in Keras, and is kept as a tuple.
        y: Targets, rows first; a list of arrays means several targets. None if the model needs none.
        weight: A weight for each row, shape (rows,), which serves every target, or one such array for each target, in
            the structure of `y`; None for equal weights.

    Raises:
        DataError: The arrays differ in their number of rows, there are weights without targets, or weights in another
            structure than the targets.
    """

    x: Arrays | list[np.ndarray]
    y: Arrays | list[np.ndarray] | None = None
    weight: Arrays | list[np.ndarray] | None = None

    def __post_init__(self) -> None:
        for name in ("x", "y", "weight"):
            object.__setattr__(self, name, _as_arrays(getattr(self, name), series_as_column=name != "weight"))
        if self.y is None and self.weight is not None:
            raise DataError(
                "A split has weights and no targets; Keras ignores such weights. Give targets, or no weights."
            )
        if isinstance(self.weight, Mapping | tuple) and _structure(self.weight) != _structure(self.y):
            raise DataError(
                f"The weights of a split are {_structure(self.weight)}, and its targets {_structure(self.y)}. Give one "
                "array of weights for all targets, or one for each target in the same structure."
            )
        parts = {"x": self.x, "y": self.y, "weight": self.weight}
        rows = {
            name: sorted({_length(array, name) for array in leaves(part)})
            for name, part in parts.items()
            if part is not None
        }
        if len({number for numbers in rows.values() for number in numbers}) != 1:
            several = [name for name, part in (("x", self.x), ("y", self.y)) if isinstance(part, tuple)]
            hint = (
                f" {' and '.join(several)} {'are' if len(several) > 1 else 'is'} a list of arrays, which means several "
                "inputs or targets; np.stack creates one array from a list of rows."
                if several
                else ""
            )
            found = ", ".join(f"{' and '.join(map(str, numbers))} in {name}" for name, numbers in rows.items())
            raise DataError(f"The arrays of a split must have the same number of rows; found {found}.{hint}")

    def __iter__(self) -> Iterator[Any]:
        """Inputs, then targets and weights if there are any, as the tuple that a Split stands for."""
        return (part for part in (self.x, self.y, self.weight) if part is not None)

    def __getitem__(self, index: int) -> Any:
        """Inputs (0), targets (1) or weights (2).

        Args:
            index: Which of them.

        Raises:
            IndexError: The split has fewer.
        """
        return tuple(self)[index]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(leaves(self.x)[0])


@dataclass(frozen=True, slots=True)
class Dataset:
    """Data for a study: each split is a Split of arrays, or a pipeline.

    A tuple (inputs, targets) or (inputs, targets, weights) is read as a Split, as in Keras' `fit`; an array alone, or a
    dict of arrays, is a Split without targets. A pipeline is a tf.data.Dataset, a keras.utils.PyDataset, or a generator
    function without parameters that yields the batches of one epoch. Its elements are batches as `keras.Model.fit`
    takes them.

    Args:
        name: Its name, for messages and results; it may be left out, as in `Dataset(train, validation)`.
        train: The rows that a trial trains on.
        validation: The rows on which trials are compared; None compares them by a metric of the training.
        test: The rows on which only the best trial is tested, once; None if there are none.
        classes: Names of the classes, in the order of the targets; empty if there are none.
        facts: Other facts for a model, as JSON values.
        validation_split: The share of the training rows that become the validation split, between 0 and 1: the last
            rows, as in Keras' `fit`. None takes no rows away.

    Raises:
        DataError: The name is not text, a split is neither arrays nor a pipeline, a pipeline cannot be trained on, or
            `validation_split` cannot divide the rows.
    """

    name: str = "data"
    train: Any = None
    validation: Any = None
    test: Any = None
    classes: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    validation_split: float | None = None
    shared: tuple[SharedPart, ...] = field(default=(), init=False, compare=False, repr=False)
    """The parts of its pipelines that the trials of a node share; known once the data function has returned."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            self._take_positional()
        for name in ("train", "validation", "test"):
            split = getattr(self, name)
            if isinstance(split, tuple) and len(split) in (2, 3):
                object.__setattr__(self, name, Split(*split))
            elif hasattr(split, "__array__") or isinstance(split, Mapping):
                object.__setattr__(self, name, Split(split))
            elif not isinstance(split, Split) and (split is not None or name == "train"):
                check_pipeline(split, f"{name} split of the data set {self.name!r}")
        if self.validation_split is not None:
            self._divide(self.validation_split)

    def _divide(self, share: float) -> None:
        """Make the last rows of the training split the validation split; what is divided is not divided again."""
        if self.validation is not None:
            raise DataError(f"{self._share(share)} and a validation split are given. Give one of them.")
        if not isinstance(self.train, Split):
            raise DataError(
                f"{self._share(share)} divides arrays, and the train split is a {type(self.train).__name__}. Give a "
                "validation split, for example with take() and skip() of a tf.data.Dataset."
            )
        at = math.floor(self.train.rows * (1.0 - share)) if 0 < share < 1 else 0
        if not 0 < at < self.train.rows:
            raise DataError(
                f"{self._share(share)} leaves no rows to one of the two splits of {self.train.rows:,} rows. A share "
                "between 0 and 1 is allowed, such as 0.2."
            )
        object.__setattr__(self, "validation", _rows(self.train, slice(at, None)))
        object.__setattr__(self, "train", _rows(self.train, slice(at)))
        object.__setattr__(self, "validation_split", None)

    def _share(self, share: float) -> str:
        return f"validation_split={share!r} of the data set {self.name!r}"

    def _take_positional(self) -> None:
        """Read Dataset(train, validation, test), without a name: each split is one place too early."""
        if self.test is not None and self.validation is not None and self.train is not None:
            raise DataError(
                f"A data set's name must be a string; found {type(self.name).__name__}. Give the name, "
                'Dataset("digits", train, validation, test), or leave it out: Dataset(train, validation, test).'
            )
        moved: dict[str, Any] = {"name": "data", "train": self.name}
        if self.train is not None:
            moved["validation"] = self.train
            if self.validation is not None:
                moved["test"] = self.validation
        for name, value in moved.items():
            object.__setattr__(self, name, value)

    @property
    def splits(self) -> dict[str, Any]:
        """The existing splits, by name."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in splits.items() if split is not None}

    @property
    def arrays(self) -> dict[str, Split]:
        """The splits that are arrays, by name."""
        return {name: split for name, split in self.splits.items() if isinstance(split, Split)}

    @property
    def pipelines(self) -> dict[str, Any]:
        """The splits that are pipelines, by name."""
        return {name: split for name, split in self.splits.items() if not isinstance(split, Split)}

    @property
    def bytes(self) -> int:
        """Size of all arrays together."""
        return sum(
            _bytes(array) for split in self.arrays.values() for array in leaves((split.x, split.y, split.weight))
        )


def _rows(split: Split, rows: slice) -> Split:
    def part(tree: Any) -> Any:
        if isinstance(tree, Mapping):
            return {name: part(each) for name, each in tree.items()}
        return tuple(map(part, tree)) if isinstance(tree, tuple) else None if tree is None else tree[rows]

    return Split(part(split.x), part(split.y), part(split.weight))


def _bytes(array: np.ndarray) -> int:
    # An array of objects counts only its pointers.
    return array.nbytes + (sum(map(len, array.flat)) if array.dtype.hasobject else 0)


def _as_arrays(tree: Any, *, series_as_column: bool) -> Any:
    """Lists of arrays as tuples, and what converts to an array as one; other lists and objects are unchanged."""
    if isinstance(tree, Mapping):
        return {name: _as_arrays(part, series_as_column=series_as_column) for name, part in tree.items()}
    if isinstance(tree, tuple) or (isinstance(tree, list) and tree and all(hasattr(a, "__array__") for a in tree)):
        return tuple(_as_arrays(part, series_as_column=series_as_column) for part in tree)
    if isinstance(tree, np.ndarray | np.generic) or not hasattr(tree, "__array__"):
        return tree
    array = as_array(tree) if is_frame(tree) else np.asarray(tree)
    if series_as_column and hasattr(tree, "to_frame") and array.ndim == 1:
        return array[:, None]
    return array


def _length(array: Any, name: str) -> int:
    try:
        return len(array)
    except TypeError:
        dense = "; toarray() converts a sparse matrix that fits into memory" if hasattr(array, "toarray") else ""
        raise DataError(f"{name} of a split is a {type(array).__name__}; it must be an array{dense}.") from None


def _structure(tree: Any) -> str:
    """How arrays are nested, in words such as `a dict of a, b`."""
    if isinstance(tree, Mapping):
        return f"a dict of {', '.join(sorted(map(str, tree)))}"
    return f"a tuple of {len(tree)}" if isinstance(tree, tuple) else "one array"


def leaves(tree: Any) -> list[np.ndarray]:
    """The arrays in nested dicts and tuples, in their order."""
    if tree is None:
        return []
    if isinstance(tree, Mapping):
        return [leaf for value in tree.values() for leaf in leaves(value)]
    if isinstance(tree, tuple):
        return [leaf for value in tree for leaf in leaves(value)]
    return [tree]
