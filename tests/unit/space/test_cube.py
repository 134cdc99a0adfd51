"""A space as a unit cube, and its configs as points."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.space import Choice, Cube, Grid, IntUniform, LogUniform, Normal, QUniform, Switch, Uniform, draw, fits
from pipeline.space.cube import best_nearby

SPACE = {
    "lr": LogUniform(1e-4, 1),
    "fixed": 3,
    "c": Choice(["a", "b", "c"]),
    "s": Switch(
        {
            "plain": {},
            "deep": {
                "g": Grid([1, 2]),
                "inner": Switch({"no": {}, "yes": {"h": Choice([1.5, 2.5]), "u": Uniform(0, 1)}}),
            },
            "other": {"u": Uniform(2, 3), "q": QUniform(0, 1, 0.1)},
        }
    ),
    "n": IntUniform(1, 5, log=True),
    "m": IntUniform(2, 9, step=3),
    "z": Normal(0, 1),
}


@given(seed=st.integers(0, 2**31 - 1))
def test_a_config_is_restored_from_its_point(seed):
    cube, config = Cube(SPACE), draw(SPACE, np.random.default_rng(seed))
    units = cube.units([config])
    again = cube.config(np.nan_to_num(units[0], nan=0.5))
    assert again.keys() == config.keys()
    assert all(
        again[name] == (pytest.approx(value) if isinstance(value, float) else value) for name, value in config.items()
    )


@given(seed=st.integers(0, 2**31 - 1))
def test_any_place_is_a_config_of_the_space(seed):
    cube, rng = Cube(SPACE), np.random.default_rng(seed)
    for unit in rng.random((5, cube.sides)):
        config = cube.config(unit)
        assert fits(SPACE, config)
        lone = cube.units([config])
        filled = np.where(np.isnan(lone), rng.random(lone.shape), unit)
        np.testing.assert_array_equal(cube.points(filled), cube.points(unit[None]))


@given(seed=st.integers(0, 2**31 - 1), step=st.sampled_from([0.01, 0.3]))
def test_rounded_places_and_neighbours_are_those_of_their_configs(seed, step):
    cube, rng = Cube(SPACE), np.random.default_rng(seed)
    configs = [draw(SPACE, rng) for _ in range(4)]
    for places in (cube.rounded(rng.random((4, cube.sides))), cube.neighbours(cube.units(configs), step, rng)):
        assert ((places >= 0) & (places <= 1)).all()
        again = cube.points(cube.units([cube.config(place) for place in places]))
        np.testing.assert_allclose(cube.points(places), again, atol=1e-9)


@pytest.mark.parametrize("names", [set(SPACE), {"lr", "fixed", "c", "n", "m", "z"}])
def test_places_within_a_part_of_a_space_are_those_of_its_configs(names, monkeypatch):
    space = {name: domain for name, domain in SPACE.items() if name in names}
    part = Cube({**space, "lr": LogUniform(1e-3, 1e-2), "m": 5, "z": 0.25})
    places = np.random.default_rng(0).random((30, part.sides))
    expected = Cube(space).units([part.config(place) for place in places])
    composed, config = [], Cube.config
    monkeypatch.setattr(Cube, "config", lambda cube, place: composed.append(place) or config(cube, place))
    np.testing.assert_array_equal(Cube(space).units_within(part, places), expected)
    assert len(composed) == (30 if "s" in names else 1)


def test_the_best_config_nearby_is_better_than_all_candidates() -> None:
    cube, rng = Cube({"x": Uniform(0, 1)}), np.random.default_rng(0)
    candidates = np.linspace(0, 1, 11)[:, None]

    def score(points):
        return -np.abs(points[:, 0] - 0.537)

    found = best_nearby(cube, candidates, candidates[5:6], score, neighbours=50, rng=rng)
    assert abs(found["x"] - 0.537) < 0.005
    same = best_nearby(cube, candidates, candidates, lambda points: np.zeros(len(points)), neighbours=5, rng=rng)
    assert same == {"x": 0.0}
