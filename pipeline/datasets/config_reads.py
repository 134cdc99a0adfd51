"""Data functions that take the config, and the parameters that they read: trials equal in these share their data."""

import inspect
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import DataError
from pipeline.space import key_of

_OPTIONAL = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def takes_config(data: Any) -> bool:
    """Whether a job's data are a function of the config."""
    if not callable(data):
        return False
    try:
        parameters = inspect.signature(data).parameters.values()
    except (TypeError, ValueError):
        return False
    required = [p.name for p in parameters if p.default is inspect.Parameter.empty and p.kind not in _OPTIONAL]
    if len(required) > 1:
        raise DataError(
            f"The data function {data.__name__} has the parameters {', '.join(required)}; it may have none, or one, "
            "which gets the config of a trial. Give the others defaults."
        )
    return bool(required)


@dataclass(frozen=True, slots=True)
class ConfigReads:
    """The parameters that a data function has read: configs with the same values of them have the same data."""

    values: Mapping[str, Any] = field(default_factory=dict)
    absent: tuple[str, ...] = ()

    def fits(self, config: Mapping[str, Any]) -> bool:
        """Whether a config has the same values."""
        same = all(name in config and key_of(config[name]) == key_of(value) for name, value in self.values.items())
        return same and not any(name in config for name in self.absent)

    def __str__(self) -> str:
        """The parameters as text, such as `size=8`."""
        return ", ".join(f"{name}={value!r}" for name, value in self.values.items()) or "any config"


class RecordedConfig(dict[str, Any]):
    """A config that records which parameters are read; iteration reads all of them."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(deepcopy(dict(config)))
        self._values = deepcopy(dict(config))
        self._read: dict[str, None] = {}

    @property
    def reads(self) -> ConfigReads:
        """What was read so far."""
        present = {name: self._values[name] for name in self._read if name in self._values}
        return ConfigReads(present, tuple(name for name in self._read if name not in self._values))

    def __getitem__(self, name: str) -> Any:
        self._read[name] = None
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._read[str(name)] = None
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """As `dict.get`; the name is recorded as read."""
        self._read[name] = None
        return super().get(name, default)

    def pop(self, name: str, *default: Any) -> Any:
        """As `dict.pop`; the name is recorded as read."""
        self._read[name] = None
        return super().pop(name, *default)

    def setdefault(self, name: str, default: Any = None) -> Any:
        """As `dict.setdefault`; the name is recorded as read."""
        self._read[name] = None
        return super().setdefault(name, default)

    def popitem(self) -> tuple[str, Any]:
        """As `dict.popitem`; all names are recorded as read."""
        self._read_all()
        return super().popitem()

    def __iter__(self) -> Iterator[str]:
        self._read_all()
        return super().__iter__()

    def __reversed__(self) -> Iterator[str]:
        self._read_all()
        return super().__reversed__()

    def __len__(self) -> int:
        self._read_all()
        return super().__len__()

    def __bool__(self) -> bool:
        # Which values there are does not matter.
        return super().__len__() > 0

    def keys(self) -> KeysView[str]:  # type: ignore[override]
        """As `dict.keys`; all names are recorded as read."""
        self._read_all()
        return super().keys()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        """As `dict.values`; all names are recorded as read."""
        self._read_all()
        return super().values()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        """As `dict.items`; all names are recorded as read."""
        self._read_all()
        return super().items()

    def copy(self) -> dict[str, Any]:
        """As `dict.copy`; all names are recorded as read."""
        self._read_all()
        return dict(super().items())

    def __eq__(self, other: object) -> bool:
        self._read_all()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        self._read_all()
        return super().__ne__(other)

    __hash__ = None

    def __repr__(self) -> str:
        self._read_all()
        return super().__repr__()

    def _read_all(self) -> None:
        self._read.update(dict.fromkeys(self._values))
