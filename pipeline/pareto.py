"""Points with several values: their Pareto front, and the hypervolume that they dominate.

Values are losses: less is better.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Reals", "dominated_box", "hypervolume", "non_dominated"]

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
