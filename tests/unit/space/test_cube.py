"""A space as a unit cube, and its configs as points."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.space import (
    Choice,
    Cube,
    Grid,
    IntUniform,
    LogUniform,
    Normal,
    QUniform,
    Switch,
    Uniform,
    draw,
    fits,
)

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
def test_configs_and_places_are_converted_to_each_other(seed):
    cube, rng = Cube(SPACE), np.random.default_rng(seed)
    config = draw(SPACE, rng)
    again = cube.config(np.nan_to_num(cube.units([config])[0], nan=0.5))
    assert again == {name: pytest.approx(value) if type(value) is float else value for name, value in config.items()}
    for unit in rng.random((5, cube.sides)):
        config = cube.config(unit)
        assert fits(SPACE, config)
        lone = cube.units([config])
        filled = np.where(np.isnan(lone), rng.random(lone.shape), unit)
        np.testing.assert_array_equal(cube.points(filled), cube.points(unit[None]))


@given(seed=st.integers(0, 2**31 - 1))
def test_random_places_and_neighbours_are_those_of_their_configs(seed):
    cube, rng = Cube(SPACE), np.random.default_rng(seed)
    for places in (cube.random(4, rng), cube.neighbours(cube.units([draw(SPACE, rng)] * 4), 0.3, rng)):
        assert np.nanmin(places) >= 0
        assert np.nanmax(places) <= 1
        configs = [cube.config(place) for place in places]
        np.testing.assert_allclose(cube.points(places), cube.points(cube.units(configs)), atol=1e-9)
