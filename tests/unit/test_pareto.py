"""Points that are compared by several values."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.pareto import dominated_box, growing_hypervolume, hypervolume, non_dominated

_POINTS = st.integers(1, 4).flatmap(
    lambda values: st.lists(st.tuples(*[st.integers(0, 5)] * values), min_size=1, max_size=9)
)


@given(points=_POINTS)
def test_the_hypervolume_counts_the_cells_that_points_dominate(points: list[tuple[int, ...]]) -> None:
    values = len(points[0])
    cells = np.stack(np.meshgrid(*[np.arange(5)] * values), axis=-1).reshape(-1, values)
    covered = (np.array(points)[:, None] <= cells[None]).all(axis=2).any(axis=0).sum()
    assert hypervolume(np.array(points, np.float64), [5.0] * values) == pytest.approx(covered)


@given(points=_POINTS)
def test_the_front_has_the_points_that_no_other_one_dominates(points: list[tuple[int, ...]]) -> None:
    losses = np.array([*points, [np.nan] * len(points[0])], np.float64)
    dominated = [
        any((other <= point).all() and (other < point).any() for other in losses) or bool(np.isnan(point).any())
        for point in losses
    ]
    assert (~non_dominated(losses)).tolist() == dominated


@given(points=_POINTS)
def test_the_hypervolume_grows_point_by_point(points: list[tuple[int, ...]]) -> None:
    losses = np.array([[9, *point[1:]] if place == 1 else point for place, point in enumerate(points)], np.float64)
    corner = [5.0] * losses.shape[1]
    so_far = [hypervolume(losses[: count + 1], corner) for count in range(len(losses))]
    assert growing_hypervolume(losses, corner).tolist() == pytest.approx(so_far)


@pytest.mark.parametrize("values", [2, 3, 4])
def test_a_front_of_hundreds_of_points_has_its_volume(values: int) -> None:
    rng = np.random.default_rng(values)
    directions = np.abs(rng.normal(size=(300, values)))
    losses = 1 - 0.9 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    assert non_dominated(losses).all()
    places = rng.random((20_000, values))
    share = np.mean([(losses <= place).all(axis=1).any() for place in places])
    assert hypervolume(losses, np.ones(values)) == pytest.approx(share, abs=0.015)
    assert growing_hypervolume(losses, np.ones(values))[-1] == pytest.approx(hypervolume(losses, np.ones(values)))


def test_points_beyond_the_reference_add_nothing() -> None:
    inside = [0.5, 0.5]
    others = [[0.1, 1.0], [2.0, 0.1], [np.nan, 0.0], [np.inf, 0.0]]
    assert hypervolume(np.array([inside, *others]), (1.0, 1.0)) == pytest.approx(0.25)
    assert hypervolume(np.array(others), (1.0, 1.0)) == 0.0


def test_the_box_reaches_beyond_the_front() -> None:
    ideal, corner = dominated_box(np.array([[0.0, 10.0], [1.0, 0.0], [5.0, 20.0]]))
    assert (ideal.tolist(), corner.tolist()) == ([0.0, 0.0], pytest.approx([1.1, 11.0]))
    ideal, corner = dominated_box(np.array([[2.0, 0.0]]))
    assert (corner > ideal).all()
