"""Points with several values in the order in which they are promoted, without sorting all again for a new point."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, compress, islice
from typing import TypeAlias

import numpy as np

from pipeline.pareto import Reals

_Point: TypeAlias = tuple[float, ...]

_Place: TypeAlias = tuple[bool, _Point]
"""Whether a point is beyond its bounds, and what it is compared by there: its values, or its violation."""

_FEW = 300
"""Of a front of up to this many points, all distances are computed together; a table of more would be large."""


class Fronts:
    """Points, numbered from 0, in the order in which they are promoted.

    Points within their bounds come first, front by front (non-dominated sorting: Deb et al. 2002, "NSGA-II"); those
    beyond come last, by their violation alone. A front is ordered by an epsilon-net, as in Salinas et al. 2021 and
    MO-ASHA (Schmucker et al. 2021): its best point in the first value, then always the point that is farthest from
    those before. Distances are those of ranks within the front, so that they depend on no unit.

    A new point moves the points that it dominates to the next front, these move those that they dominate there, and so
    on (Yakupov and Buzdalov 2015, "Incremental Non-dominated Sorting with O(N) Insertion for the Two-Dimensional
    Case").
    """

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._losses: list[_Point] = []
        self._places: list[_Place] = []
        self._equals: dict[_Place, _Equals] = {}
        # Those within the bounds, and after them those beyond; how many points each has, and how many are open. Of one
        # value there are as many fronts as points, but sums of plain numbers are fast.
        self._fronts: list[_Front] = []
        self._within = 0
        self._sizes: list[int] = []
        self._open: list[int] = []

    def __len__(self) -> int:
        return len(self._losses)

    def __iter__(self) -> Iterator[int]:
        for number, before in zip(range(len(self._fronts)), accumulate(self._sizes, initial=0), strict=False):
            yield from self._ordered(number, before)

    def add(self, points: Iterable[tuple[Sequence[float], float, bool]]) -> None:
        """Add points, which get the next numbers."""
        new = []
        for losses, violation, is_open in points:
            values = (violation,) if violation > 0 else tuple(losses)
            place = violation > 0, values if len(values) > 1 else (*values, 0.0)
            new.append((place, len(self._losses), is_open))
            self._losses.append(tuple(losses))
            self._places.append(place)
        # In this order, no point dominates one that was added before.
        for place, number, is_open in sorted(new):
            equals = self._equals.get(place)
            if equals is None:
                self._equals[place] = _Equals([number], int(is_open))
                self._insert(place)
            else:
                equals.numbers.append(number)
                equals.open += is_open
                self._resize(self._search(place), 1, int(is_open))

    def close(self, number: int) -> None:
        """Count an open point as open no longer."""
        place = self._places[number]
        self._equals[place].open -= 1
        self._open[self._search(place)] -= 1

    def front(self, number: int) -> int:
        """The front of a point, from 0."""
        return self._search(self._places[number])

    def rank(self, number: int) -> int:
        """The number of points before a point."""
        front = self.front(number)
        before = sum(self._sizes[:front])
        return before + self._ordered(front, before).index(number)

    def at(self, rank: int) -> int:
        """The point with a rank."""
        ends = list(accumulate(self._sizes))
        front = bisect_right(ends, rank)
        before = ends[front] - self._sizes[front]
        return self._ordered(front, before)[rank - before]

    def open_among(self, most: int) -> Iterator[int]:
        """The first points in order, without those of fronts that have no open point."""
        befores = enumerate(accumulate(self._sizes, initial=0))
        # Most of the first fronts have no open point: they need no order.
        for number, before in compress(islice(befores, most), self._open):
            if before >= most:
                return
            yield from self._ordered(number, before)[: most - before]

    def _ordered(self, number: int, before: int) -> list[int]:
        """The points of a front in order, if the fronts before it have this many points."""
        front = self._fronts[number]
        matters = before <= int(len(self) / self._factor)
        if front.order is None or not matters:
            beyond = number >= self._within
            if front.numbers is None:
                front.numbers = sorted(each for point in front.points for each in self._equals[beyond, point].numbers)
            if not matters:
                return front.numbers
            front.order = _spread([self._losses[each] for each in front.numbers], front.numbers)
        return front.order

    def _search(self, place: _Place) -> int:
        """The first front that does not dominate a point: where one does, all fronts before it do, too."""
        beyond, point = place
        low, high = (self._within, len(self._fronts)) if beyond else (0, self._within)
        return bisect_left(self._fronts, True, low, high, key=lambda front: not front.dominates(point))

    def _insert(self, place: _Place) -> None:
        """Insert a point into its front, and move those that it dominates."""
        beyond, point = place
        number, moved = self._search(place), [point]
        while moved:
            equals = [self._equals[beyond, each] for each in moved]
            size, is_open = sum(len(each.numbers) for each in equals), sum(each.open for each in equals)
            front = self._fronts[number] if number < (len(self._fronts) if beyond else self._within) else None
            dominated = None if front is None else front.exchange(moved)
            if dominated is None:
                # A front that is moved as a whole moves the next one as a whole, too, and so on.
                self._fronts.insert(number, _Front(moved) if len(point) == 2 else _FrontOfMore(moved))
                self._sizes.insert(number, size)
                self._open.insert(number, is_open)
                self._within += not beyond
                return
            equals = [self._equals[beyond, each] for each in dominated]
            left = sum(len(each.numbers) for each in equals), sum(each.open for each in equals)
            self._resize(number, size - left[0], is_open - left[1])
            moved, number = dominated, number + 1

    def _resize(self, front: int, size: int, is_open: int) -> None:
        self._sizes[front] += size
        self._open[front] += is_open
        self._fronts[front].order = self._fronts[front].numbers = None


@dataclass(slots=True)
class _Equals:
    """Points that are equal."""

    numbers: list[int]
    open: int


@dataclass(slots=True, eq=False)
class _Front:
    """Points of two values of which none dominates another; the first values ascend, and so the second ones descend."""

    points: list[_Point]
    order: list[int] | None = None
    numbers: list[int] | None = None

    def dominates(self, point: _Point) -> bool:
        """Whether one of the points dominates a point."""
        place = bisect_right(self.points, point)
        # Of those with a first value up to that of the point, the last one has the least second value.
        return place > 0 and self.points[place - 1][1] <= point[1] and self.points[place - 1] != point

    def exchange(self, points: list[_Point]) -> list[_Point] | None:
        """Take in points that moved here from the front before, in place of those that they dominate."""
        # Between two points that moved, none can stay: it would not be dominated by the front before.
        start = bisect_left(self.points, points[0])
        end = bisect_right(self.points, -points[-1][1], start, key=lambda point: -point[1])
        if end - start == len(self.points):
            return None
        dominated = self.points[start:end]
        self.points[start:end] = points
        return dominated


@dataclass(slots=True, eq=False)
class _FrontOfMore(_Front):
    """Points of more than two values of which none dominates another."""

    table: Reals = field(default_factory=lambda: np.empty((0, 0)))

    def __post_init__(self) -> None:
        self.table = np.array(self.points)

    def dominates(self, point: _Point) -> bool:
        """Whether one of the points dominates a point."""
        as_good = (self.table <= point).all(axis=1)
        # Of points that are equal, none dominates another.
        return bool(as_good.any() and (self.table[as_good] < point).any())

    def exchange(self, points: list[_Point]) -> list[_Point] | None:
        """Take in points that moved here from the front before, in place of those that they dominate."""
        new = np.array(points)
        out = np.asarray((new[:, None] <= self.table).all(axis=2).any(axis=0))
        if out.all():
            return None
        self.table = np.concatenate([self.table[~out], new])
        dominated = list(compress(self.points, out.tolist()))
        self.points = [*compress(self.points, (~out).tolist()), *points]
        return dominated


def _spread(losses: list[_Point], numbers: list[int]) -> list[int]:
    """The points of a front in the order of an epsilon-net; of equal ones the one with the lower number first."""
    if len(numbers) < 3:
        return [number for _, number in sorted(zip((values[0] for values in losses), numbers, strict=True))]
    values = np.array(losses).T
    ranks = np.stack([np.unique(row, return_inverse=True)[1] for row in values]).astype(float)
    ranks /= np.maximum(ranks.max(axis=1, keepdims=True), 1.0)
    chosen = int(np.argmin(values[0]))
    order, apart = [chosen], np.full(len(numbers), np.inf)
    whole = _distances(ranks, slice(None)) if len(numbers) <= _FEW else None
    while len(order) < len(numbers):
        from_chosen = _distances(ranks, slice(chosen, chosen + 1))[0] if whole is None else whole[chosen]
        np.minimum(apart, from_chosen, out=apart)
        apart[chosen] = -1.0
        chosen = int(apart.argmax())
        order.append(chosen)
    return [numbers[place] for place in order]


def _distances(ranks: Reals, points: slice) -> Reals:
    """The distances of some points from all."""
    distances: Reals = np.sqrt(((ranks[:, points, None] - ranks[:, None]) ** 2).sum(axis=0))
    return distances
