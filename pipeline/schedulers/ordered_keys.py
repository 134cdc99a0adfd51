"""Keys in ascending order while keys are added and removed, without sorting for each query."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar, overload

_Key = TypeVar("_Key", bound=tuple[Any, ...])


class OrderedKeys(Sequence[_Key]):
    """Keys in ascending order, each once."""

    def __init__(self, keys: Iterable[_Key] = ()) -> None:
        self._keys = sorted(keys)

    def add(self, key: _Key) -> None:
        """Add a key at its place in the order."""
        insort(self._keys, key)

    def remove(self, key: _Key) -> None:
        """Remove a key."""
        del self._keys[bisect_left(self._keys, key)]

    def place(self, key: tuple[Any, ...]) -> int:
        """The number of keys before a key."""
        return bisect_left(self._keys, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[_Key]:
        return iter(self._keys)

    @overload
    def __getitem__(self, index: int) -> _Key: ...

    @overload
    def __getitem__(self, index: slice) -> list[_Key]: ...

    def __getitem__(self, index: int | slice) -> _Key | list[_Key]:
        return self._keys[index]
