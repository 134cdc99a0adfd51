"""What a study has tried, so that a searcher finds the observations to learn from without looking at all of them."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, overload

import numpy as np

from pipeline.searchers.base import Observation

if TYPE_CHECKING:
    from pipeline.searchers.earlier_studies import EarlierStudy


MAX_OBSERVATIONS = 1000
"""Number of observations from which a searcher learns at most: with more, each draw would take longer than the last."""

_Key = tuple[float, float, int]


class History(Sequence[Observation]):
    """Observations in the order of the trials. Only its content counts, not how it came about."""

    def __init__(self, observations: Iterable[Observation] = (), earlier: Sequence["EarlierStudy"] = ()) -> None:
        self.earlier = earlier
        self._all: list[Observation] = []
        self._ranked: list[_Key] = []
        self._open: set[int] = set()
        for one in observations:
            self.append(one)

    @classmethod
    def of(cls, observations: Iterable[Observation]) -> "History":
        """A history of observations; themselves if they are one."""
        return observations if isinstance(observations, cls) else cls(observations)

    def append(self, one: Observation) -> None:
        """Add the observation of a new trial."""
        self._all.append(one)
        self._enter(len(self._all) - 1)

    def replace(self, number: int, one: Observation) -> None:
        """Replace the observation of a trial that has trained further."""
        if (key := self._key(number)) is not None:
            del self._ranked[bisect_left(self._ranked, key)]
        self._open.discard(number)
        self._all[number] = one
        self._enter(number)

    def chosen(self, *, best: int = 0, newest: int = 0, most: int = MAX_OBSERVATIONS) -> list[Observation]:
        """The observations to learn from: all, or some if there are more than `most`.

        Those of running trials are always among them, because no similar config is tried at the same time. If these are
        more than three quarters of `most`, a quarter of `most` is added, evenly from the best trial to the worst.
        """
        count = len(self._all)
        if count <= most:
            return list(self._all)
        numbers = {number for *_, number in self._ranked[:best]} | set(range(count - newest, count)) | self._open
        left = max(0, most - len(numbers))
        numbers.update(np.linspace(0, count - 1, left).astype(int).tolist())
        if len(self._open) > most - most // 4:
            # They leave little place to others, and the best alone do not show where configs are poor.
            places = np.linspace(0, len(self._ranked) - 1, min(most // 4, len(self._ranked))).astype(int)
            numbers.update(self._ranked[place][-1] for place in places.tolist())
        return [self._all[number] for number in sorted(numbers)]

    def _enter(self, number: int) -> None:
        if self._all[number].state == "open":
            self._open.add(number)
        if (key := self._key(number)) is not None:
            insort(self._ranked, key)

    def _key(self, number: int) -> _Key | None:
        """The rank of a trial; None without a loss."""
        one = self._all[number]
        if one.state != "known" or one.loss is None:
            return None
        return -one.reach, one.loss, number

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Observation]:
        return iter(self._all)

    @overload
    def __getitem__(self, index: int) -> Observation: ...

    @overload
    def __getitem__(self, index: slice) -> list[Observation]: ...

    def __getitem__(self, index: int | slice) -> Observation | list[Observation]:
        return self._all[index]
