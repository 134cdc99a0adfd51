"""What identifies a study's data: a hash of each array, and the parameters that a data function reads of a config."""

import hashlib
import inspect
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.datasets.base import Dataset, batches_of, is_tf_data, kind_of
from pipeline.space import key_of

_CHUNK = 2**24


def takes_config(data: Any) -> bool:
    """Whether a job's data are a function of the config."""
    if not callable(data):
        return False
    try:
        inspect.signature(data).bind()
    except TypeError:
        return True
    except ValueError:  # a function without a signature
        return False
    return False


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
        elif old != new and None not in (old.get("sha256", ""), new.get("sha256", "")):  # type: ignore[union-attr]
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


def _hash(array: np.ndarray) -> str | None:
    """The hash of an array's bytes; None if it has objects other than text, which may have no stable bytes."""
    digest = hashlib.sha256()
    if not array.dtype.hasobject:
        # In blocks of rows, so that large arrays need little memory.
        rows = max(1, _CHUNK // max(1, array.nbytes // max(1, len(array))))
        for begin in range(0, len(array), rows):
            digest.update(np.ascontiguousarray(array[begin : begin + rows]).reshape(-1).view(np.uint8).data)
        return digest.hexdigest()
    for value in array.flat:
        if not isinstance(value, str | bytes):
            return None
        # With quotes, without which other texts could have the same bytes in sequence.
        digest.update(ascii(value).encode())
    return digest.hexdigest()


def _text(entry: Mapping[str, Any]) -> str:
    return pipeline_text(entry) if "pipeline" in entry else f"shape {tuple(entry['shape'])} of {entry['dtype']}"
