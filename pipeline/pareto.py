"""Points with several values: their Pareto front, and the hypervolume that they dominate.

Values are losses: less is better.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Reals: TypeAlias = npt.NDArray[np.float64]

_MARGIN = 0.1
"""How far the reference point of a hypervolume is beyond the worst values on the front, as a share of its range."""


def non_dominated(losses: Reals) -> npt.NDArray[np.bool_]:
    """Which points are on the Pareto front: no other is at least as good in every value and better in one."""
    on_front = np.zeros(len(losses), np.bool_)
    finite = np.flatnonzero(np.isfinite(losses).all(axis=1))
    # In this order no point is dominated by a later one.
    points, which = np.unique(losses[finite], axis=0, return_inverse=True)
    front, size, best = np.empty_like(points), 0, np.zeros(len(points), np.bool_)
    for place, point in enumerate(points):
        if not (front[:size] <= point).all(axis=1).any():
            front[size], best[place] = point, True
            size += 1
    on_front[finite] = best[which.reshape(-1)]
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
    for place in np.flatnonzero(_inside(losses, corner)):
        point = losses[place]
        if not (front <= point).all(axis=1).any():
            gains[place] = _gain(front, point, corner)
            front = np.vstack([front[~(point <= front).all(axis=1)], point])
    return np.cumsum(gains)


def _inside(losses: Reals, corner: Reals) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(losses).all(axis=1) & (losses < corner).all(axis=1), np.bool_)


def _gain(front: Reals, point: Reals, corner: Reals) -> float:
    """What a point that no point of a front dominates adds to its volume: its own box, without what they have of it."""
    # Of the front, most points have nothing of the box that a few of them do not have, too.
    others, rest = [], np.maximum(front, point)
    while len(rest):
        largest = rest[int(np.prod(corner - rest, axis=1).argmax())]
        others.append(largest)
        rest = rest[~(largest <= rest).all(axis=1)]
    shared = _volume(np.array(others), corner) if others else 0.0
    return max(0.0, float(np.prod(corner - point)) - shared)


def _volume(front: Reals, corner: Reals) -> float:
    """The volume that points dominate."""
    if not len(front):
        return 0.0
    front = front[np.lexsort(front.T)]
    if len(corner) == 1:
        return float(corner[0] - front[0, 0])
    if len(corner) <= 3:
        # In slices along the last value, whose area grows with each point: of two values, it is the least first one.
        heights = np.append(front[1:, -1], corner[-1]) - front[:, -1]
        if len(corner) == 2:
            return float(heights @ (corner[0] - np.minimum.accumulate(front[:, 0])))
        areas = [_volume(front[: place + 1, :2], corner[:2]) for place in range(len(front))]
        return float(heights @ np.array(areas))
    # What each point adds to those after it: of more values, few of them share a part of its box.
    return sum(_gain(front[place + 1 :], point, corner) for place, point in enumerate(front))
