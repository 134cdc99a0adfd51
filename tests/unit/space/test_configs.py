"""Configs of a space: drawn, explored, counted through, as places in a cube, and their parameters."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.space import (
    Choice,
    Cube,
    Grid,
    IntUniform,
    LogUniform,
    QUniform,
    Switch,
    Uniform,
    combination,
    combinations,
    conflicts,
    draw,
    fits,
    flat,
    perturb,
)

_NESTED = {
    "lr": LogUniform(1e-4, 1),
    "schedule": Switch(
        {
            "constant": {},
            "decaying": {"decay": LogUniform(0.01, 1)},
            "cyclic": {"restarts": Switch({"none": {}, "some": {"period": IntUniform(1, 9)}})},
        }
    ),
    "end": 7,
}


def test_a_config_has_the_parameters_of_its_branch_alone() -> None:
    configs = [draw(_NESTED, np.random.default_rng(seed)) for seed in range(60)]
    assert {tuple(config) for config in configs} == {
        ("lr", "schedule", "end"),
        ("lr", "schedule", "decay", "end"),
        ("lr", "schedule", "restarts", "end"),
        ("lr", "schedule", "restarts", "period", "end"),
    }
    assert all(fits(_NESTED, config) for config in configs)


@pytest.mark.parametrize("config", [
    {"lr": 0.1, "schedule": "constant", "decay": 0.5, "end": 7},
    {"lr": 0.1, "schedule": "decaying", "end": 7},
    {"lr": 0.1, "schedule": "linear", "end": 7},
    {"lr": 0.1, "schedule": "decaying", "decay": 2.0, "end": 7},
    {"lr": 0.1, "schedule": "constant", "end": 8},
])  # fmt: skip
def test_values_outside_of_the_space_do_not_fit(config: dict[str, Any]) -> None:
    assert not fits(_NESTED, config)


@given(seed=st.integers(0, 999), names=st.sets(st.sampled_from(["lr", "schedule", "decay", "restarts", "period"])))
def test_only_the_named_parameters_are_explored(seed: int, names: set[str]) -> None:
    rng = np.random.default_rng(seed)
    config = draw(_NESTED, rng)
    explored = perturb(_NESTED, config, rng, names=names, resample_probability=0.5)
    assert fits(_NESTED, explored)
    assert {name for name in config if name in explored and explored[name] != config[name]} <= names
    assert (explored.keys() == config.keys()) or names & {"schedule", "restarts"}


def test_combinations_of_branches_follow_each_other() -> None:
    space = {
        "width": Choice([8, 16]),
        "schedule": Switch(
            {"constant": {}, "cyclic": {"period": Grid([2, 4]), "way": Switch({"a": {}, "b": {"c": 1}})}}
        ),
    }
    assert combinations(space) == 10
    configs = [combination(space, index) for index in range(10)]
    assert configs[:5] == [
        {"width": 8, "schedule": "constant"},
        {"width": 8, "schedule": "cyclic", "period": 2, "way": "a"},
        {"width": 8, "schedule": "cyclic", "period": 2, "way": "b", "c": 1},
        {"width": 8, "schedule": "cyclic", "period": 4, "way": "a"},
        {"width": 8, "schedule": "cyclic", "period": 4, "way": "b", "c": 1},
    ]
    assert configs[5:] == [{**config, "width": 16} for config in configs[:5]]
    assert combination(space, 10) == configs[0]


def _either(one: Any, other: Any) -> dict[str, Any]:
    return {"s": Switch({"a": {"p": one}, "b": {"p": other}})}


@pytest.mark.parametrize(("one", "other", "both"), [
    (Uniform(0, 1), Uniform(0.5, 3), Uniform(0, 3)),
    (LogUniform(1, 2), LogUniform(0.1, 1), LogUniform(0.1, 2)),
    (IntUniform(1, 4, step=2), IntUniform(0, 2, step=2), IntUniform(0, 4, step=2)),
    (QUniform(0, 1, 0.5), QUniform(0, 2, 0.5), QUniform(0, 2, 0.5)),
    (Choice((1, 2)), Choice((2, 3)), Choice((1, 2, 3))),
    (1, 2, Choice((1, 2))),
    (1, 1, 1),
])  # fmt: skip
def test_a_name_of_several_branches_is_one_parameter(one: Any, other: Any, both: Any) -> None:
    assert conflicts(_either(one, other)) == []
    assert flat(_either(one, other)) == {"s": _either(one, other)["s"], "p": both}


@pytest.mark.parametrize(("one", "other"), [
    (Uniform(0, 1), LogUniform(1, 2)),
    (Uniform(0, 1), 0.5),
    (1, "1"),
    (Choice((1, 2)), Choice((1.0,))),
    (IntUniform(1, 4), IntUniform(1, 4, log=True)),
])  # fmt: skip
def test_a_name_must_mean_one_kind_of_thing(one: Any, other: Any) -> None:
    (fault,) = conflicts(_either(one, other))
    assert fault.field == "space.s.b.p"


@pytest.mark.parametrize(("space", "field", "other"), [
    ({"p": 1, "s": Switch({"a": {"p": 2}})}, "space.s.a.p", "space.p"),
    ({"s": Switch({"a": {"s": 2}})}, "space.s.a.s", "space.s"),
    ({"s": Switch({"a": {"p": 1}}), "t": Switch({"b": {"p": 1}})}, "space.t.b.p", "space.s.a.p"),
])  # fmt: skip
def test_a_name_cannot_be_there_twice(space: dict[str, Any], field: str, other: str) -> None:
    (fault,) = conflicts(space)
    assert (fault.field, other in fault.allowed) == (field, True)


_DEEP = {
    "lr": LogUniform(1e-4, 1), "fixed": 3, "c": Choice(["a", "b", "c"]),
    "s": Switch({
        "plain": {},
        "deep": {"g": Grid([1, 2]), "inner": Switch({"no": {}, "yes": {"h": Choice([1.5, 2.5]), "u": Uniform(0, 1)}})},
        "other": {"u": Uniform(2, 3), "q": QUniform(0, 1, 0.1)},
    }),
    "n": IntUniform(1, 5, log=True), "m": IntUniform(2, 9, step=3),
}  # fmt: skip


@given(seed=st.integers(0, 2**31 - 1))
def test_configs_and_places_are_converted_to_each_other(seed):
    cube, rng = Cube(_DEEP), np.random.default_rng(seed)
    config = draw(_DEEP, rng)
    again = cube.config(np.nan_to_num(cube.units([config])[0], nan=0.5))
    assert again == {name: pytest.approx(value) if type(value) is float else value for name, value in config.items()}
    for unit in rng.random((5, cube.sides)):
        config = cube.config(unit)
        assert fits(_DEEP, config)
        lone = cube.units([config])
        filled = np.where(np.isnan(lone), rng.random(lone.shape), unit)
        np.testing.assert_array_equal(cube.points(filled), cube.points(unit[None]))


def test_listed_numbers_have_an_order_and_other_values_have_none():
    points = Cube({"n": Choice([8, 0.5, 64]), "b": Choice([1, True])}).points(np.array([[0.0, 0.0], [0.5, 0.9]]))
    assert points.tolist() == [[0.5, 1, 0], [0, 0, 1]]


@given(seed=st.integers(0, 2**31 - 1))
def test_neighbours_are_places_near_by(seed):
    cube, rng = Cube(_DEEP), np.random.default_rng(seed)
    units = cube.units([draw(_DEEP, rng)] * 4)
    places = cube.neighbours(units, 0.001, rng)
    assert np.isfinite(places).all()
    assert ((places >= 0) & (places <= 1)).all()
    assert all(fits(_DEEP, cube.config(place)) for place in places)
    # The first side is that of `lr`.
    assert np.abs(places[:, 0] - units[:, 0]).max() < 0.01
