"""Spaces and configs."""

import itertools

import numpy as np
import pytest

from pipeline.space import Choice, Grid, IntUniform, LogUniform, Uniform, draw, grid_size, perturb

_SPACE = {"lr": LogUniform(1e-4, 1), "units": IntUniform(4, 64), "kind": Choice(["a", "b", "c"]), "fixed": 7}


def test_a_config_has_a_value_for_each_parameter() -> None:
    """In the order of the space; constants are kept."""
    config = draw(_SPACE, np.random.default_rng(0))
    assert list(config) == list(_SPACE)
    assert config["fixed"] == 7


def test_grid_parameters_run_through_their_values() -> None:
    """The last one fastest, from the beginning again after the last combination."""
    space = {"a": Grid([1, 2]), "b": Grid(["x", "y", "z"]), "c": 0}
    assert grid_size(space) == 6
    configs = [draw(space, np.random.default_rng(0), index) for index in range(12)]
    expected = [{"a": a, "b": b, "c": 0} for a, b in itertools.product([1, 2], ["x", "y", "z"])]
    assert configs == expected * 2


def test_a_large_grid_is_not_walked_through() -> None:
    """The combination of any number is found at once, though there are more than could be listed."""
    space = {f"p{i}": Grid(list(range(100))) for i in range(30)}
    config = draw(space, np.random.default_rng(0), 100**29 + 7)
    assert (config["p0"], config["p1"], config["p29"]) == (1, 0, 7)


def test_a_space_without_grids_has_one_point() -> None:
    """Its size is 1, not 0."""
    assert grid_size({"lr": Uniform(0, 1), "x": 3}) == 1


def test_exploring_multiplies_by_either_factor() -> None:
    """Without resampling every number is 0.8 or 1.2 times what it was; constants stay."""
    rng = np.random.default_rng(0)
    config = {"lr": 0.01, "units": 20, "kind": "b", "fixed": 7}
    seen = [perturb(_SPACE, config, rng, resample_probability=0) for _ in range(50)]
    assert {round(c["lr"], 6) for c in seen} == {0.008, 0.012}
    assert {c["units"] for c in seen} == {16, 24}
    assert {c["kind"] for c in seen} == {"a", "c"}
    assert {c["fixed"] for c in seen} == {7}
    assert config == {"lr": 0.01, "units": 20, "kind": "b", "fixed": 7}


def test_exploring_draws_anew() -> None:
    """With a probability of 1 every parameter is drawn from its domain, whatever it was."""
    seen = [
        perturb(
            _SPACE, {"lr": 0.01, "units": 20, "kind": "b", "fixed": 7}, np.random.default_rng(i), resample_probability=1
        )
        for i in range(20)
    ]
    assert len({c["lr"] for c in seen}) == 20
    assert all(domain.contains(c[name]) for c in seen for name, domain in _SPACE.items() if name != "fixed")


@pytest.mark.parametrize("probability", [0.25, 0.75])
def test_the_probability_of_drawing_anew_is_kept(probability: float) -> None:
    """Over many explorations the part of new draws is what was asked for."""
    rng = np.random.default_rng(1)
    moved = [perturb({"lr": Uniform(0, 1)}, {"lr": 0.5}, rng, resample_probability=probability) for _ in range(2000)]
    anew = sum(c["lr"] not in (0.4, 0.6) for c in moved) / len(moved)
    assert anew == pytest.approx(probability, abs=0.04)
