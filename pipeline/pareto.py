"""Points with several values: their Pareto front, their order, and the hypervolume that they dominate.

Values are losses: less is better. A violation says how far a point is beyond its bounds; 0 is within all of them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["ByFronts", "Reals", "dominated_box", "front_numbers", "hypervolume", "non_dominated"]

Reals: TypeAlias = npt.NDArray[np.float64]

_MARGIN = 0.1
"""How far the reference point of a hypervolume is beyond the worst values on the front, as a share of the front's
range."""


def non_dominated(losses: Reals) -> npt.NDArray[np.bool_]:
    """Which points are on the Pareto front: no other is at least as good in every value and better in one.

    Args:
        losses: Shape (points, values). A point with a value that is not finite is on no front.

    Returns:
        Shape (points,). Of points that are equal, all are on the front or none.
    """
    on_front = np.zeros(len(losses), np.bool_)
    finite = np.flatnonzero(np.isfinite(losses).all(axis=1))
    points, which = _distinct(losses[finite])
    on_front[finite] = _first_front(points)[which]
    return on_front


def front_numbers(losses: Reals, violations: Reals) -> npt.NDArray[np.int64]:
    """The front of each point by non-dominated sorting with constraints (Deb et al. 2002, "NSGA-II").

    Points within their bounds come before those beyond, which are sorted by their violation alone.

    Args:
        losses: Shape (points, values); finite.
        violations: Shape (points,); at least 0.

    Returns:
        Shape (points,): 0 for the first front.
    """
    numbers = np.empty(len(losses), np.int64)
    within, beyond = np.flatnonzero(violations <= 0), np.flatnonzero(violations > 0)
    points, which = _distinct(losses[within])
    fronts = np.array(_front_of_each(points), np.int64)
    numbers[within] = fronts[which]
    numbers[beyond] = fronts.max(initial=-1) + 1 + np.unique(violations[beyond], return_inverse=True)[1]
    return numbers


class ByFronts:
    """Points in the order in which they are promoted: front by front, and evenly spread within each.

    A front is ordered by an epsilon-net, as in Salinas et al. 2021 and MO-ASHA (Schmucker et al. 2021): its best point
    in the first value, then always the point that is farthest from those before. Distances are those of ranks within
    the front, so that they depend on no unit. It is ordered when it is asked for: few fronts are.

    Args:
        losses: Shape (points, values); finite, at least one point.
        violations: Shape (points,); at least 0.
        most: How many points must be in this order; those of later fronts follow in theirs. All unless given.
    """

    def __init__(self, losses: Reals, violations: Reals, most: int | None = None) -> None:
        self.numbers = front_numbers(losses, violations)
        """The front of each point, from 0."""
        self._losses, self._most = losses, len(losses) if most is None else most
        self._places = np.argsort(self.numbers, kind="stable")
        self._ends = np.cumsum(np.bincount(self.numbers))
        self._ordered: dict[int, list[int]] = {}

    def before(self, number: int) -> int:
        """The number of points before a front.

        Args:
            number: The front.
        """
        return int(self._ends[number - 1]) if number else 0

    def front(self, number: int) -> list[int]:
        """The places of a front's points, in their order.

        Args:
            number: The front.
        """
        if number not in self._ordered:
            # Of equal points the earlier one is first.
            members = self._places[self.before(number) : self._ends[number]]
            spread = self.before(number) < self._most
            self._ordered[number] = _spread(self._losses, members) if spread else members.tolist()
        return self._ordered[number]

    def rank(self, place: int) -> int:
        """The number of points before a point.

        Args:
            place: The point's place.
        """
        number = int(self.numbers[place])
        return self.before(number) + self.front(number).index(place)

    def at(self, rank: int) -> int:
        """The place of the point with a rank.

        Args:
            rank: The rank, from 0.
        """
        number = int(np.searchsorted(self._ends, rank, side="right"))
        return self.front(number)[rank - self.before(number)]

    def __iter__(self) -> Iterator[int]:
        for number in range(len(self._ends)):
            yield from self.front(number)


def _distinct(points: Reals) -> tuple[Reals, npt.NDArray[np.int64]]:
    """The distinct points, so that none is dominated by a later one, and the place of each point among them."""
    order = np.lexsort(points.T[::-1])
    ordered, which = points[order], np.empty(len(points), np.int64)
    new = np.ones(len(points), np.bool_)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    which[order] = np.cumsum(new) - 1
    return ordered[new], which


def _first_front(points: Reals) -> npt.NDArray[np.bool_]:
    """Which of the points, as `_distinct` orders them, no other one dominates."""
    if points.shape[1] <= 2:
        # Of two values the first one grows, so the other one alone decides.
        before = np.minimum.accumulate(np.append(np.inf, points[:, -1]))[:-1]
        first: npt.NDArray[np.bool_] = points[:, -1] < before
        return first
    on_front, front, size = np.zeros(len(points), np.bool_), np.empty_like(points), 0
    for place, point in enumerate(points):
        if not (front[:size] <= point).all(axis=1).any():
            on_front[place] = True
            front[size] = point
            size += 1
    return on_front


def _front_of_each(points: Reals) -> list[int]:
    """The fronts of points, as `_distinct` orders them, by efficient non-dominated sorting (Zhang et al. 2015)."""
    if points.shape[1] == 1:
        return list(range(len(points)))
    numbers: list[int] = []
    if points.shape[1] == 2:
        # Of the points of a front so far, the least second value decides. It grows from front to front.
        least: list[float] = []
        for value in points[:, 1].tolist():
            numbers.append(bisect_right(least, value))
            least[numbers[-1] : numbers[-1] + 1] = [value]
        return numbers
    fronts: list[list[int]] = []
    for place, point in enumerate(points):

        def free(front: list[int], point: Reals = point) -> bool:
            return not (points[front] <= point).all(axis=1).any()

        # A point that a front dominates is dominated by all fronts before it, too.
        numbers.append(bisect_left(fronts, True, key=free))
        if numbers[-1] == len(fronts):
            fronts.append([])
        fronts[numbers[-1]].append(place)
    return numbers


def _spread(losses: Reals, front: npt.NDArray[np.int64]) -> list[int]:
    """The points of a front in the order of an epsilon-net."""
    if len(front) == 1:
        return [int(front[0])]
    if len(front) < 3:
        return [int(front[place]) for place in np.lexsort((front, losses[front, 0]))]
    ranks = np.stack([np.unique(column, return_inverse=True)[1] for column in losses[front].T], axis=1).astype(float)
    ranks /= np.maximum(ranks.max(axis=0), 1.0)
    chosen = int(np.argmin(losses[front, 0]))
    order, apart = [chosen], np.full(len(front), np.inf)
    while len(order) < len(front):
        apart = np.minimum(apart, np.sqrt(((ranks - ranks[chosen]) ** 2).sum(axis=1)))
        apart[chosen] = -1.0
        chosen = int(np.argmax(apart))
        order.append(chosen)
    return [int(place) for place in front[order]]


def dominated_box(losses: Reals) -> tuple[Reals, Reals]:
    """The box whose dominated share says how good a front is.

    Args:
        losses: Shape (points, values); finite, at least one point.

    Returns:
        The best values on the front, and the reference point, a tenth of the front's range beyond its worst; each of
        shape (values,), the second larger than the first everywhere.
    """
    front = losses[non_dominated(losses)]
    ideal, worst = front.min(axis=0), front.max(axis=0)
    corner = worst + _MARGIN * (worst - ideal)
    # A front of one value in an objective has no range: all points give one.
    corner = np.where(corner > ideal, corner, losses.max(axis=0))
    corner = np.where(corner > ideal, corner, ideal + np.maximum(np.abs(ideal), 1.0) * _MARGIN)
    return ideal, corner


def hypervolume(losses: Reals, reference: Sequence[float] | Reals) -> float:
    """The volume that points dominate, up to a reference point (Zitzler and Thiele 1998).

    Args:
        losses: Shape (points, values); those that do not beat the reference point in every value count nothing.
        reference: The reference point.
    """
    corner = np.asarray(reference, np.float64)
    inside = losses[np.isfinite(losses).all(axis=1) & (losses < corner).all(axis=1)]
    return _volume(inside[non_dominated(inside)], corner)


def _volume(front: Reals, corner: Reals) -> float:
    """The volume by slices along the last value; each slice is of one dimension less."""
    if not len(front):
        return 0.0
    front = front[np.lexsort(front.T)]
    if len(corner) == 1:
        return float(corner[0] - front[0, 0])
    bounds = np.append(front[1:, -1], corner[-1])
    if len(corner) == 2:
        # A slice reaches from the least first value so far.
        return float((bounds - front[:, 1]) @ (corner[0] - np.minimum.accumulate(front[:, 0])))
    total = 0.0
    for place, (start, end) in enumerate(zip(front[:, -1], bounds, strict=True)):
        if end > start:
            below = front[: place + 1, :-1]
            total += float(end - start) * _volume(below[non_dominated(below)], corner[:-1])
    return total
