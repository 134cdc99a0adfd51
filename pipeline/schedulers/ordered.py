"""Keys kept in order while they come and go: whoever is asked thousands of times cannot sort anew for each."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar, overload

__all__ = ["Ordered"]

_Key = TypeVar("_Key", bound=tuple[Any, ...])


class Ordered(Sequence[_Key]):
    """Keys in ascending order, each there once.

    Args:
        keys: Those that are there from the start.
    """

    def __init__(self, keys: Iterable[_Key] = ()) -> None:
        self._keys = sorted(keys)

    def add(self, key: _Key) -> None:
        """Put a key in its place."""
        insort(self._keys, key)

    def remove(self, key: _Key) -> None:
        """Take out a key that is there."""
        del self._keys[bisect_left(self._keys, key)]

    def place(self, key: tuple[Any, ...]) -> int:
        """How many come before a key, which need not be there."""
        return bisect_left(self._keys, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[_Key]:
        return iter(self._keys)

    @overload
    def __getitem__(self, at: int) -> _Key: ...

    @overload
    def __getitem__(self, at: slice) -> list[_Key]: ...

    def __getitem__(self, at: int | slice) -> _Key | list[_Key]:
        return self._keys[at]
