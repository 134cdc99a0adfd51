"""Configs as points, and neighbours of a config."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.space import Choice, IntUniform, LogUniform, Normal, Switch, Uniform, draw, fits
from pipeline.space.cube import Cube
from pipeline.space.points import best_nearby, neighbour, vectors

SPACE = {
    "lr": LogUniform(1e-4, 1),
    "kind": Choice(["a", "b", "c"]),
    "decay": Switch({"none": {}, "steps": {"factor": Uniform(0, 1), "z": Normal(0, 1)}}),
    "fixed": 7,
}


def test_a_config_is_a_point() -> None:
    """In a point, a number is its quantile, a listed value has an axis for each value, an absent number is 0.5."""
    config = {"lr": 0.01, "kind": "b", "decay": "none", "fixed": 7}
    assert vectors(SPACE, [config])[0] == pytest.approx([0.5, 0, 1, 0, 1, 0, 0.5, 0.5])
    other = {"lr": 1e-4, "kind": "c", "decay": "steps", "factor": 0.25, "z": 0.0, "fixed": 7}
    assert vectors(SPACE, [config, other])[1] == pytest.approx([0, 0, 0, 1, 0, 1, 0.25, 0.5])


def test_an_absent_choice_has_no_value() -> None:
    """A config without a choice has 0 on all of its axes."""
    space = {"how": Switch({"plain": {}, "deep": {"width": Choice([1, 2])}})}
    assert vectors(space, [{"how": "plain"}])[0].tolist() == [1, 0, 0, 0]


@given(seed=st.integers(0, 2**31 - 1), step=st.sampled_from([0.01, 0.2, 5.0]))
def test_a_neighbour_is_a_config_of_the_space(seed: int, step: float) -> None:
    """A neighbour is a config of the space for any step, with the parameters of its own branch."""
    rng = np.random.default_rng(seed)
    assert fits(SPACE, neighbour(SPACE, draw(SPACE, rng), step, rng))


def test_a_neighbour_is_near() -> None:
    """A number moves by the step on its scale, one listed value in ten is redrawn, and constants are unchanged."""
    rng = np.random.default_rng(0)
    config = {"lr": 0.01, "kind": "b", "decay": "none", "fixed": 7}
    found = [neighbour(SPACE, config, 0.05, rng) for _ in range(2000)]
    units = [SPACE["lr"].to_unit(each["lr"]) for each in found]
    assert np.mean(units) == pytest.approx(0.5, abs=0.01)
    assert np.std(units) == pytest.approx(0.05, abs=0.005)
    # Two of the three values that may be drawn again are another one.
    assert np.mean([each["kind"] != "b" for each in found]) == pytest.approx(0.1 * 2 / 3, abs=0.02)
    assert {each["fixed"] for each in found} == {7}


def test_the_best_config_nearby_is_better_than_all_candidates() -> None:
    """Neighbours of the best candidates come closer to the optimum than any candidate; equal scores keep the first."""
    cube, rng = Cube({"x": Uniform(0, 1)}), np.random.default_rng(0)
    candidates = np.linspace(0, 1, 11)[:, None]

    def score(points):
        return -np.abs(points[:, 0] - 0.537)

    found = best_nearby(cube, candidates, candidates[5:6], score, neighbours=50, rng=rng)
    assert abs(found["x"] - 0.537) < 0.005
    same = best_nearby(cube, candidates, candidates, lambda points: np.zeros(len(points)), neighbours=5, rng=rng)
    assert same == {"x": 0.0}


def test_whole_numbers_are_scored_as_they_are_drawn() -> None:
    """A score sees whole numbers where their configs are, and not the places between them."""
    cube, rng = Cube({"n": IntUniform(1, 4)}), np.random.default_rng(0)
    seen: list[float] = []

    def score(points):
        seen.extend(points[:, 0].tolist())
        return points[:, 0]

    assert best_nearby(cube, rng.random((20, 1)), np.array([[0.1]]), score, neighbours=20, rng=rng) == {"n": 4}
    assert set(seen) <= {0.125, 0.375, 0.625, 0.875}
