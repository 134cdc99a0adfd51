"""Configs as points, neighbours of a config, and the process that is fitted to points."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.space import Choice, LogUniform, Normal, Switch, Uniform, draw, fits
from pipeline.space.points import best_nearby, fitted_process, near, vectors

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
    assert fits(SPACE, near(SPACE, draw(SPACE, rng), step, rng))


def test_a_neighbour_is_near() -> None:
    """A number moves by the step on its scale, one listed value in ten is redrawn, and constants are unchanged."""
    rng = np.random.default_rng(0)
    config = {"lr": 0.01, "kind": "b", "decay": "none", "fixed": 7}
    found = [near(SPACE, config, 0.05, rng) for _ in range(2000)]
    units = [SPACE["lr"].to_unit(each["lr"]) for each in found]
    assert np.mean(units) == pytest.approx(0.5, abs=0.01)
    assert np.std(units) == pytest.approx(0.05, abs=0.005)
    # Two of the three values that may be drawn again are another one.
    assert np.mean([each["kind"] != "b" for each in found]) == pytest.approx(0.1 * 2 / 3, abs=0.02)
    assert {each["fixed"] for each in found} == {7}


def test_the_best_config_nearby_is_better_than_all_candidates() -> None:
    """Neighbours of the best candidates come closer to the optimum than any candidate; equal scores keep the first."""
    space, rng = {"x": Uniform(0, 1)}, np.random.default_rng(0)
    candidates = [{"x": 0.1 * number} for number in range(11)]

    def score(configs):
        return -np.abs(np.array([config["x"] for config in configs]) - 0.537)

    found = best_nearby(space, candidates, candidates[5:6], score, neighbours=50, rng=rng)
    assert abs(found["x"] - 0.537) < 0.005
    same = best_nearby(space, candidates, candidates, lambda configs: np.zeros(len(configs)), neighbours=5, rng=rng)
    assert same == candidates[0]


def test_a_process_follows_its_values() -> None:
    """A Gaussian process is close to the function near its points and less certain far from them."""
    points = np.linspace(0, 0.5, 11)[:, None]
    process = fitted_process(points, np.sin(6 * points[:, 0]))
    mean, deviation = process.predict(np.array([[0.27], [1.0]]), return_std=True)
    assert mean[0] == pytest.approx(np.sin(6 * 0.27), abs=0.02)
    assert deviation[1] > 5 * deviation[0]
