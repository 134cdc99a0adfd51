"""Points with several values: their Pareto front, their order, and the hypervolume that they dominate.

Values are losses: less is better. A violation says how far a point is beyond its bounds; 0 is within all of them.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["by_fronts", "dominated_box", "front_numbers", "hypervolume", "non_dominated"]

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
    front, size = np.empty_like(losses), 0
    # In this order no row is dominated by a later one, so each row is compared with the front so far only.
    for place in np.lexsort(losses.T[::-1]):
        point, known = losses[place], front[:size]
        if np.isfinite(point).all() and not ((known <= point).all(axis=1) & (known < point).any(axis=1)).any():
            on_front[place] = True
            front[size] = point
            size += 1
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
    numbers = np.full(len(losses), -1, np.int64)
    within, number = np.flatnonzero(violations <= 0), 0
    while len(within):
        front = non_dominated(losses[within])
        numbers[within[front]] = number
        within, number = within[~front], number + 1
    beyond = np.flatnonzero(violations > 0)
    numbers[beyond] = number + np.unique(violations[beyond], return_inverse=True)[1]
    return numbers


def by_fronts(losses: Reals, violations: Reals, most: int | None = None) -> tuple[list[int], npt.NDArray[np.int64]]:
    """Points in the order in which they are promoted: front by front, and evenly spread within each.

    A front is ordered by an epsilon-net, as in Salinas et al. 2021 and MO-ASHA (Schmucker et al. 2021): its best point
    in the first value, then always the point that is farthest from those before. Distances are those of ranks within
    the front, so that they depend on no unit.

    Args:
        losses: Shape (points, values); finite.
        violations: Shape (points,); at least 0.
        most: How many points must be in this order; those of later fronts follow unordered. All unless given.

    Returns:
        Places of points, and the front of each point; of equal points the earlier one is first.
    """
    numbers, order = front_numbers(losses, violations), list[int]()
    for number in range(int(numbers.max(initial=-1)) + 1):
        front = np.flatnonzero(numbers == number)
        order += front.tolist() if most is not None and len(order) >= most else _spread(losses, front)
    return order, numbers


def _spread(losses: Reals, front: npt.NDArray[np.int64]) -> list[int]:
    """The points of a front in the order of an epsilon-net."""
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
    if len(corner) == 1:
        return float(corner[0] - front.min())
    front = front[np.argsort(front[:, -1], kind="stable")]
    bounds = np.append(front[1:, -1], corner[-1])
    total = 0.0
    for place, (start, end) in enumerate(zip(front[:, -1], bounds, strict=True)):
        if end > start:
            below = front[: place + 1, :-1]
            total += float(end - start) * _volume(below[non_dominated(below)], corner[:-1])
    return total
