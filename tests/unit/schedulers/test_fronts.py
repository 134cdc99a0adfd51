"""Points in the order in which they are promoted."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.schedulers.fronts import Fronts

_POINTS = st.integers(1, 4).flatmap(
    lambda values: st.lists(
        st.tuples(st.tuples(*[st.integers(0, 7)] * values), st.sampled_from([0, 0, 0, 1, 2])), min_size=1, max_size=40
    )
)
"""Points of one to four values, each with its violation."""


def _numbers(losses: np.ndarray, violations: np.ndarray) -> list[int]:
    """The front of each point, by definition: the first ones that none dominates, then the next ones."""

    def dominates(i: int, j: int) -> bool:
        if violations[i] or violations[j]:
            return bool(violations[i] < violations[j])
        return bool((losses[i] <= losses[j]).all() and (losses[i] < losses[j]).any())

    numbers, left, front = [0] * len(losses), set(range(len(losses))), 0
    while left:
        free = {j for j in left if not any(dominates(i, j) for i in left)}
        for j in free:
            numbers[j] = front
        left, front = left - free, front + 1
    return numbers


def _net(losses: np.ndarray, members: list[int]) -> list[int]:
    """A front in order, by definition: the best first value, then always the point farthest from those before."""
    ranks = np.array([[len({v for v in column if v < value}) for value in column] for column in losses[members].T])
    ranks = ranks / np.maximum(ranks.max(axis=1, keepdims=True), 1)
    order = [min(range(len(members)), key=lambda i: losses[members[i], 0])]
    while len(order) < len(members):
        rest = [i for i in range(len(members)) if i not in order]
        order.append(max(rest, key=lambda i: min(np.sqrt(((ranks[:, i] - ranks[:, j]) ** 2).sum()) for j in order)))
    return [members[i] for i in order]


def _plain(points: Sequence[tuple[Sequence[int], int]], factor: float) -> tuple[list[int], list[int]]:
    """The front of each point, and all points in order, by definition."""
    losses, violations = (np.array(each, np.float64) for each in zip(*points, strict=True))
    numbers, order = _numbers(losses, violations), list[int]()
    for front in range(max(numbers) + 1):
        members = [place for place, number in enumerate(numbers) if number == front]
        order += _net(losses, members) if len(order) < int(len(points) / factor) + 1 else members
    return numbers, order


@given(points=_POINTS, batch=st.integers(1, 9), factor=st.sampled_from([1.01, 2.0, 3.5]))
def test_the_order_is_that_of_the_definition_after_each_new_point(
    points: list[tuple[tuple[int, ...], int]], batch: int, factor: float
) -> None:
    """However points are added, each has the front and the rank that it would have if all were sorted again."""
    fronts = Fronts(factor)
    for start in range(0, len(points), batch):
        fronts.add((losses, violation, True) for losses, violation in points[start : start + batch])
        count = len(fronts)
        numbers, order = _plain(points[:count], factor)
        assert [fronts.front(number) for number in range(count)] == numbers
        assert list(fronts) == order == [fronts.at(rank) for rank in range(count)]
        assert [fronts.rank(number) for number in order] == list(range(count))


@given(points=_POINTS, closed=st.sets(st.integers(0, 39)), most=st.integers(0, 45))
def test_fronts_without_an_open_point_are_left_out(
    points: list[tuple[tuple[int, ...], int]], closed: set[int], most: int
) -> None:
    """The first points are those of fronts with an open point, whether points are closed before or afterwards."""
    before, afterwards = Fronts(2.0), Fronts(2.0)
    for number, (losses, violation) in enumerate(points):
        before.add([(losses, violation, number not in closed)])
        afterwards.add([(losses, violation, True)])
        if number in closed and number % 2:
            afterwards.close(number)
    for number in range(0, len(points), 2):
        if number in closed:
            afterwards.close(number)
    numbers, order = _plain(points, 2.0)
    opened = {front for number, front in enumerate(numbers) if number not in closed}
    expected = [number for number in order[:most] if numbers[number] in opened]
    assert list(before.open_among(most)) == list(afterwards.open_among(most)) == expected


def test_a_front_is_spread_evenly() -> None:
    """Points of a front are ordered by the best first value, then the farthest, then the middle, in any units."""
    first = np.arange(9.0)
    orders = []
    for second, third in ((first, 8 - first), (first**3, 1000 - np.exp(first))):
        fronts = Fronts(1.01)
        fronts.add((losses, 0.0, True) for losses in zip(second.tolist(), third.tolist(), strict=True))
        orders.append(list(fronts))
    assert orders[0][:3] == [0, 8, 4]
    assert orders[0] == orders[1]


@pytest.mark.parametrize("exponent", [4, 9])
def test_a_front_of_any_length_is_halved_again_and_again(exponent: int) -> None:
    """Of points on a line, the first ones in order are its ends, its middle, its quarters, and so on."""
    count, fronts = 2**exponent, Fronts(1.01)
    fronts.add(((place, count - place), 0.0, True) for place in range(count + 1))
    order = list(fronts)
    for halvings in range(exponent + 1):
        assert sorted(order[: 2**halvings + 1]) == list(range(0, count + 1, count // 2**halvings))


def test_there_is_no_point_behind_the_last() -> None:
    """A rank that no point has is refused."""
    with pytest.raises(IndexError):
        Fronts(2.0).at(0)
