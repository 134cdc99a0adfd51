"""Points with several values: their Pareto front, and the hypervolume that they dominate.

Values are losses: less is better.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Reals: TypeAlias = npt.NDArray[np.float64]

_MARGIN = 0.1
"""How far the reference point of a hypervolume is beyond the worst values on the front, as a share of the front's
range."""

_BLOCK = 1000
"""Points that are compared with a front at a time: comparing all of them together would take much memory."""


def non_dominated(losses: Reals) -> npt.NDArray[np.bool_]:
    """Which points are on the Pareto front: no other is at least as good in every value and better in one."""
    on_front = np.zeros(len(losses), np.bool_)
    finite = np.flatnonzero(np.isfinite(losses).all(axis=1))
    points, which = _distinct(losses[finite])
    on_front[finite] = _first_front(points)[which]
    return on_front


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
    if points.shape[1] == 3:
        stairs = _Stairs()
        return np.array([stairs.add(first, second) for first, second in points[:, 1:].tolist()], np.bool_)
    on_front, front, size = np.zeros(len(points), np.bool_), np.empty_like(points), 0
    for place, point in enumerate(points):
        if not (front[:size] <= point).all(axis=1).any():
            on_front[place] = True
            front[size] = point
            size += 1
    return on_front


def dominated_box(losses: Reals) -> tuple[Reals, Reals]:
    """The box whose dominated share says how good a front is."""
    front = losses[non_dominated(losses)]
    ideal, worst = front.min(axis=0), front.max(axis=0)
    corner = worst + _MARGIN * (worst - ideal)
    # A front of one value in an objective has no range: all points give one.
    corner = np.where(corner > ideal, corner, losses.max(axis=0))
    corner = np.where(corner > ideal, corner, ideal + np.maximum(np.abs(ideal), 1.0) * _MARGIN)
    return ideal, corner


def hypervolume(losses: Reals, reference: Sequence[float] | Reals) -> float:
    """The volume that points dominate, up to a reference point (Zitzler and Thiele 1998)."""
    corner = np.asarray(reference, np.float64)
    inside = losses[_inside(losses, corner)]
    return _volume(inside[non_dominated(inside)], corner)


def growing_hypervolume(losses: Reals, reference: Sequence[float] | Reals) -> Reals:
    """The hypervolume of the first point, of the first two, and so on."""
    corner, gains, front = np.asarray(reference, np.float64), np.zeros(len(losses)), losses[:0]
    inside = np.flatnonzero(_inside(losses, corner))
    # The front so far dominates most points, so one comparison excludes many of them.
    for block in np.split(inside, range(_BLOCK, len(inside), _BLOCK)):
        for place in block[~_beaten(front, losses[block])]:
            point = losses[place]
            if not _beaten(front, point[None])[0]:
                gains[place] = _gain(front, point, corner)
                front = np.vstack([front[~(point <= front).all(axis=1)], point])
    return np.cumsum(gains)


def _inside(losses: Reals, corner: Reals) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(losses).all(axis=1) & (losses < corner).all(axis=1), np.bool_)


def _beaten(front: Reals, points: Reals) -> npt.NDArray[np.bool_]:
    """Which points some point of a front is as good as in every value."""
    return np.asarray(np.any(np.all(front[None] <= points[:, None], axis=2), axis=1), np.bool_)


def _gain(front: Reals, point: Reals, corner: Reals) -> float:
    """What a point that no point of a front beats adds to its volume: its own box, without what they have of it."""
    # Of the front, most points have nothing of the box that a few of them do not have, too.
    others, rest = [], np.maximum(front, point)
    while len(rest):
        largest = rest[int(np.prod(corner - rest, axis=1).argmax())]
        others.append(largest)
        rest = rest[~(largest <= rest).all(axis=1)]
    shared = _volume(np.array(others), corner) if others else 0.0
    return max(0.0, float(np.prod(corner - point)) - shared)


def _volume(front: Reals, corner: Reals) -> float:
    """The volume of points of which none dominates another one."""
    if not len(front):
        return 0.0
    front = front[np.lexsort(front.T)]
    if len(corner) == 1:
        return float(corner[0] - front[0, 0])
    bounds = np.append(front[1:, -1], corner[-1])
    if len(corner) == 2:
        # A slice along the last value reaches from the least first value so far.
        return float((bounds - front[:, 1]) @ (corner[0] - np.minimum.accumulate(front[:, 0])))
    if len(corner) == 3:
        stairs, total = _Stairs(corner[0], corner[1]), 0.0
        for (first, second, start), end in zip(front.tolist(), bounds.tolist(), strict=True):
            stairs.add(first, second)
            total += (end - start) * stairs.area
        return total
    # Each point adds to those after it: of more than three values, few of them share a part of its box.
    return sum(_gain(front[place + 1 :], point, corner) for place, point in enumerate(front))


class _Stairs:
    """The front of points of two values that are added one by one, and the area that they dominate."""

    def __init__(self, right: float = 0.0, top: float = 0.0) -> None:
        self._right, self._top = right, top
        self._first: list[float] = []
        self._second: list[float] = []
        self.area = 0.0
        """The area up to the reference point."""

    def add(self, first: float, second: float) -> bool:
        """Add a point."""
        before = bisect_right(self._first, first)
        # First values rise along the front, and second ones fall.
        if before and self._second[before - 1] <= second:
            return False
        start = end = bisect_left(self._first, first)
        height = self._second[start - 1] if start else self._top
        left = first
        while end < len(self._first) and self._second[end] >= second:
            self.area += (self._first[end] - left) * (height - second)
            left, height = self._first[end], self._second[end]
            end += 1
        right = self._first[end] if end < len(self._first) else self._right
        self.area += (right - left) * (height - second)
        self._first[start:end], self._second[start:end] = [first], [second]
        return True
