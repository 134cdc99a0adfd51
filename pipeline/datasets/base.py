"""Data sets: splits of arrays, or pipelines that are read while a model trains, and what identifies them.

pandas, TensorFlow and Keras are not imported here: code that has one of their objects has imported them.
"""

import hashlib
import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from pipeline.errors import DataError
from pipeline.space import key_of
from pipeline.text import listed

Arrays: TypeAlias = np.ndarray | Mapping[str, np.ndarray] | tuple[np.ndarray, ...]
"""One array, or a dict or tuple of arrays for a model with several inputs or outputs; rows first."""

_CHUNK = 2**24

Kind: TypeAlias = Literal["tf.data.Dataset", "keras.utils.PyDataset", "generator function"]


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
        weights, targets = _structure(self.weight), _structure(self.y)
        if self.weight is not None and (self.y is None or (weights not in (targets, "one array"))):
            raise DataError(
                f"The weights of a split are {weights}, and its targets {'missing' if self.y is None else targets}. "
                "Give one array of weights for all targets, or one for each target in the same structure."
            )
        rows = {
            name: sorted({_length(array, name) for array in leaves(getattr(self, name))})
            for name in ("x", "y", "weight")
        }
        if len({number for numbers in rows.values() for number in numbers}) != 1:
            found = ", ".join(f"{' and '.join(map(str, sizes))} in {name}" for name, sizes in rows.items() if sizes)
            raise DataError(
                f"The arrays of a split must have the same number of rows; found {found}. A list of arrays means "
                "several inputs or targets; np.stack makes one array of a list of rows."
            )

    def __iter__(self) -> Iterator[Any]:
        """Inputs, then targets and weights if there are any, as the tuple that a Split stands for."""
        return (part for part in (self.x, self.y, self.weight) if part is not None)

    @property
    def rows(self) -> int:
        return len(leaves(self.x)[0])

    def part(self, rows: slice | np.ndarray) -> "Split":
        """Some of the rows.

        Args:
            rows: Which: a slice, or row numbers.

        Returns:
            Another split.
        """
        return Split(*(mapped(tree, lambda array: array[rows]) for tree in (self.x, self.y, self.weight)))


@dataclass(frozen=True, slots=True)
class Dataset:
    """Data for a study: each split is a Split of arrays, or a pipeline.

    A tuple (inputs, targets) or (inputs, targets, weights) is read as a Split, as in Keras' `fit`; an array alone, or a
    dict of arrays, is a Split without targets. A pipeline is a tf.data.Dataset, a keras.utils.PyDataset, or a generator
    function without parameters that yields the batches of one epoch. Its elements are batches as `keras.Model.fit`
    takes them.

    Args:
        name: Its name, for messages and results.
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

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise DataError(
                f"A data set's name must be a string; found {type(self.name).__name__}. Name the splits: "
                "Dataset(train=…, validation=…)."
            )
        for name in ("train", "validation", "test"):
            split = getattr(self, name)
            if isinstance(split, tuple) and len(split) in (2, 3):
                self._set(**{name: Split(*split)})
            elif hasattr(split, "__array__") or isinstance(split, Mapping):
                self._set(**{name: Split(split)})
            elif not isinstance(split, Split) and (split is not None or name == "train"):
                _check_pipeline(split, f"{name} split of the data set {self.name!r}")
        if self.validation_split is not None:
            self._divide(self.validation_split)

    @property
    def splits(self) -> dict[str, Any]:
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: split for name, split in splits.items() if split is not None}

    @property
    def arrays(self) -> dict[str, Split]:
        return {name: split for name, split in self.splits.items() if isinstance(split, Split)}

    @property
    def pipelines(self) -> dict[str, Any]:
        return {name: split for name, split in self.splits.items() if not isinstance(split, Split)}

    @property
    def bytes(self) -> int:
        """Size of all arrays together."""
        return sum(
            # An array of objects counts only its pointers.
            array.nbytes + (sum(map(len, array.flat)) if array.dtype.hasobject else 0)
            for split in self.arrays.values()
            for array in leaves(tuple(split))
        )

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _divide(self, share: float) -> None:
        """Make the last rows of the training split the validation split; what is divided is not divided again."""
        rows = self.train.rows if isinstance(self.train, Split) else 0
        at = math.floor(rows * (1.0 - share)) if 0 < share < 1 else 0
        if self.validation is not None or not 0 < at < rows:
            raise DataError(
                f"validation_split={share!r} of the data set {self.name!r} divides the arrays of a train split, here "
                f"{rows:,} rows: give a share between 0 and 1 that leaves rows to both, and no validation split. A "
                "tf.data.Dataset has take() and skip()."
            )
        self._set(validation=self.train.part(slice(at, None)), train=self.train.part(slice(at)), validation_split=None)


def mapped(tree: Any, function: Callable[[Any], Any]) -> Any:
    """A tree of arrays in dicts and tuples with a function applied to each; None stays."""
    if isinstance(tree, Mapping):
        return {name: mapped(part, function) for name, part in tree.items()}
    if isinstance(tree, tuple):
        return tuple(mapped(part, function) for part in tree)
    return None if tree is None else function(tree)


def leaves(tree: Any) -> list[np.ndarray]:
    """The arrays in nested dicts and tuples, in their order."""
    found: list[np.ndarray] = []
    mapped(tree, found.append)
    return found


def kind_of(split: Any) -> Kind | None:
    """The kind of pipeline that a split is; None if it is none."""
    if is_tf_data(split):
        return "tf.data.Dataset"
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(split, keras.utils.PyDataset):
        return "keras.utils.PyDataset"
    if callable(split) and not isinstance(split, type) and not _needs_arguments(split):
        return "generator function"
    return None


def is_tf_data(value: Any) -> bool:
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(value, tensorflow.data.Dataset)


def batches_of(split: Any) -> int | None:
    """The number of batches in an epoch of a pipeline; None if only reading the pipeline would show it."""
    if is_tf_data(split):
        return size if (size := int(split.cardinality())) >= 0 else None
    batches = split.num_batches if kind_of(split) == "keras.utils.PyDataset" else None
    return None if batches is None else int(batches)


def is_endless(split: Any) -> bool:
    """Whether a pipeline says that it never ends; a generator function says nothing."""
    if is_tf_data(split):
        return bool(split.cardinality() == sys.modules["tensorflow"].data.INFINITE_CARDINALITY)
    return kind_of(split) == "keras.utils.PyDataset" and split.num_batches is None


def _check_pipeline(split: Any, where: str) -> None:
    kind = kind_of(split)
    if kind is None:
        hint = (
            "A split is a Split of arrays, a tuple (x, y), a tf.data.Dataset, a keras.utils.PyDataset, or a generator "
            "function without parameters that yields the batches of one epoch."
        )
        if isinstance(split, Iterator):
            hint = "It can be read only once: pass the generator function itself, without calling it."
        raise DataError(f"The {where} is {'None' if split is None else f'a {type(split).__name__}'}. {hint}")
    if batches_of(split) == 0:
        raise DataError(f"The {where}, a {kind}, has no batches; at least one is needed.")
    specs = sys.modules["tensorflow"].nest.flatten(split.element_spec) if is_tf_data(split) else ()
    if any(getattr(getattr(spec, "shape", None), "rank", None) == 0 for spec in specs):
        raise DataError(
            f"The {where}, a {kind}, has elements that are not batches: {split.element_spec}. "
            "Add .batch(SIZE) at its end."
        )


def _needs_arguments(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):
        return True
    return False


def _as_arrays(tree: Any, *, series_as_column: bool) -> Any:
    """Lists of arrays as tuples, and what converts to an array as one; other lists and objects are unchanged."""

    def converted(value: Any) -> Any:
        if isinstance(value, list) and value and all(hasattr(each, "__array__") for each in value):
            return mapped(tuple(value), converted)
        if isinstance(value, np.ndarray | np.generic) or not hasattr(value, "__array__"):
            return value
        array = _of_frame(value) if hasattr(value, "iloc") else np.asarray(value)
        return array[:, None] if series_as_column and hasattr(value, "to_frame") and array.ndim == 1 else array

    return mapped(tree, converted)


def _of_frame(frame: Any) -> np.ndarray:
    """A DataFrame or a Series of pandas as one array; missing values of columns such as Int64 become NaN."""
    array: np.ndarray = np.asarray(frame)
    if array.dtype.kind != "O":
        return array
    table = frame if frame.ndim == 2 else frame.to_frame()
    others = list(table.select_dtypes(exclude=["number", "bool", "boolean"]).columns)
    if others and len(others) < table.shape[1]:
        raise DataError(
            f"The columns {listed(others)} of a DataFrame hold no numbers, but others do. Encode them, for example "
            "with pandas.get_dummies, or make each column a separate input with dict(frame)."
        )
    return array if others else frame.to_numpy(np.float32, na_value=np.nan)


def _length(array: Any, name: str) -> int:
    try:
        return len(array)
    except TypeError:
        raise DataError(
            f"{name} of a split is a {type(array).__name__}; it must be an array. A sparse matrix has toarray()."
        ) from None


def _structure(tree: Any) -> str:
    if isinstance(tree, Mapping):
        return f"a dict of {', '.join(sorted(map(str, tree)))}"
    return f"a tuple of {len(tree)}" if isinstance(tree, tuple) else "one array"


# What identifies the data of a study.


def takes_config(data: Any) -> bool:
    """Whether a job's data are a function of the config."""
    return callable(data) and _needs_arguments(data)


@dataclass(frozen=True, slots=True)
class ConfigReads:
    """The parameters that a data function has read: configs with the same values of them have the same data."""

    values: Mapping[str, Any] = field(default_factory=dict)
    absent: tuple[str, ...] = ()

    def fits(self, config: Mapping[str, Any]) -> bool:
        same = all(name in config and key_of(config[name]) == key_of(value) for name, value in self.values.items())
        return same and not any(name in config for name in self.absent)


class RecordedConfig(Mapping[str, Any]):
    """A config that records which parameters are read; iteration reads all of them."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._values, self._read = dict(config), dict[str, None]()

    @property
    def reads(self) -> ConfigReads:
        present = {name: self._values[name] for name in self._read if name in self._values}
        return ConfigReads(present, tuple(name for name in self._read if name not in self._values))

    def __getitem__(self, name: str) -> Any:
        self._read[name] = None
        return deepcopy(self._values[name])

    def __iter__(self) -> Iterator[str]:
        self._read.update(dict.fromkeys(self._values))
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(dict(self))


def fingerprint(data: Dataset) -> dict[str, dict[str, Any]]:
    """The shape, the dtype and the hash of every array of a data set, and the description of every pipeline."""
    arrays = [
        item
        for split, rows in data.arrays.items()
        for part in ("x", "y", "weight")
        for item in _named(getattr(rows, part), f"{split}.{part}")
    ]
    return {
        **{name: {"shape": list(a.shape), "dtype": a.dtype.str, "sha256": _hash(a)} for name, a in arrays},
        **{name: _described(split) for name, split in data.pipelines.items()},
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The differences of two fingerprints, as clauses; empty if the data are the same."""
    changes = []
    for name in dict.fromkeys([*before, *now]):
        old, new = before.get(name), now.get(name)
        texts = ["missing" if each is None else _text(each) for each in (old, new)]
        if texts[0] != texts[1]:
            changes.append(f"{name} was {texts[0]}, and is {texts[1]}")
        elif old != new:
            changes.append(f"{name} has other values in the same shape")
    return changes


def pipeline_text(entry: Mapping[str, Any]) -> str:
    return f"a {entry['pipeline']} of {entry['elements']}, batches: {entry['batches'] or 'unknown'}"


def _described(split: Any) -> dict[str, Any]:
    """What is recorded of a pipeline, as JSON values: nothing of its content is read."""
    kind, name = kind_of(split), getattr(split, "__qualname__", type(split).__qualname__)
    elements = str(split.element_spec) if is_tf_data(split) else name
    return {"pipeline": kind, "batches": batches_of(split), "elements": elements}


def _named(tree: Any, name: str) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(tree, Mapping | tuple):
        for key, part in tree.items() if isinstance(tree, Mapping) else enumerate(tree):
            yield from _named(part, f"{name}.{key}")
    elif tree is not None:
        yield name, tree


def _hash(array: np.ndarray) -> str:
    digest = hashlib.sha256()
    if array.dtype.hasobject:
        # Text, with quotes, without which other texts could have the same bytes in sequence.
        for value in array.flat:
            digest.update(ascii(value).encode())
        return digest.hexdigest()
    # In blocks of rows, so that large arrays need little memory.
    rows = max(1, _CHUNK // max(1, array.nbytes // max(1, len(array))))
    for begin in range(0, len(array), rows):
        digest.update(np.ascontiguousarray(array[begin : begin + rows]).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _text(entry: Mapping[str, Any]) -> str:
    return pipeline_text(entry) if "pipeline" in entry else f"shape {tuple(entry['shape'])} of {entry['dtype']}"
