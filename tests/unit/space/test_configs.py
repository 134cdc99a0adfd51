"""Spaces and configs."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.space import (
    Choice,
    Grid,
    IntUniform,
    LogUniform,
    Switch,
    Uniform,
    as_drawn,
    carry_over,
    combinations,
    draw,
    explored_space,
    fits,
    perturb,
)

_SPACE = {"lr": LogUniform(1e-4, 1), "units": IntUniform(4, 64), "kind": Choice(["a", "b", "c"]), "fixed": 7}
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


def test_a_config_has_a_value_for_each_parameter() -> None:
    """A config has its values in the order of the space, constants included."""
    config = draw(_SPACE, np.random.default_rng(0))
    assert list(config) == list(_SPACE)
    assert config["fixed"] == 7


def test_grid_parameters_run_through_their_values() -> None:
    """In a grid, the last parameter changes fastest, and the grid restarts after its last combination."""
    space = {"a": Grid([1, 2]), "b": Grid(["x", "y", "z"]), "c": 0}
    assert combinations(space) == 6
    configs = [draw(space, np.random.default_rng(0), index) for index in range(12)]
    expected = [{"a": a, "b": b, "c": 0} for a, b in itertools.product([1, 2], ["x", "y", "z"])]
    assert configs == expected * 2


def test_a_config_has_the_parameters_of_its_branch_alone() -> None:
    """The parameters of a config's branch, nested ones too, follow its switch, and those of others are absent."""
    configs = [draw(_NESTED, np.random.default_rng(seed)) for seed in range(60)]
    assert {tuple(config) for config in configs} == {
        ("lr", "schedule", "end"),
        ("lr", "schedule", "decay", "end"),
        ("lr", "schedule", "restarts", "end"),
        ("lr", "schedule", "restarts", "period", "end"),
    }
    assert all(fits(_NESTED, config) for config in configs)


@pytest.mark.parametrize(
    "config",
    [
        {"lr": 0.1, "schedule": "constant", "decay": 0.5, "end": 7},
        {"lr": 0.1, "schedule": "decaying", "end": 7},
        {"lr": 0.1, "schedule": "linear", "end": 7},
        {"lr": 0.1, "schedule": "decaying", "decay": 2.0, "end": 7},
        {"lr": 0.1, "schedule": "constant", "end": 8},
    ],
)
def test_values_outside_of_the_space_do_not_fit(config: dict[str, Any]) -> None:
    """A config with an unknown or missing parameter, one of another branch, or an invalid value does not fit."""
    assert not fits(_NESTED, config)


def test_branches_are_drawn_equally_often() -> None:
    """Branches are drawn equally often, however many parameters they have."""
    drawn = [draw(_NESTED, np.random.default_rng(seed))["schedule"] for seed in range(600)]
    assert all(150 < drawn.count(branch) < 250 for branch in ("constant", "decaying", "cyclic"))


def test_exploring_moves_values_and_keeps_the_branch() -> None:
    """Exploring without resampling keeps a trial's branch and multiplies the branch's parameters."""
    config = {"lr": 0.01, "schedule": "decaying", "decay": 0.5, "end": 7}
    seen = [perturb(_NESTED, config, np.random.default_rng(seed), resample_probability=0) for seed in range(20)]
    assert {c["schedule"] for c in seen} == {"decaying"}
    assert {round(c["decay"], 6) for c in seen} == {0.4, 0.6}


def test_exploring_draws_the_parameters_of_a_new_branch() -> None:
    """If exploring draws another branch, the result has that branch's parameters within their domains."""
    config = {"lr": 0.01, "schedule": "decaying", "decay": 0.5, "end": 7}
    seen = [perturb(_NESTED, config, np.random.default_rng(seed), resample_probability=0.5) for seed in range(60)]
    assert {c["schedule"] for c in seen} == {"constant", "decaying", "cyclic"}
    assert all(fits(_NESTED, c) for c in seen)


def test_a_shared_name_is_drawn_again_in_another_branch() -> None:
    """If exploring draws another branch, a parameter of the same name in both is drawn again."""
    space = {"how": Switch({"slow": {"lr": Uniform(0, 1)}, "fast": {"lr": Uniform(10, 11)}})}
    seen = [
        perturb(space, {"how": "slow", "lr": 0.5}, np.random.default_rng(seed), resample_probability=0.5)
        for seed in range(40)
    ]
    assert {c["how"] for c in seen} == {"slow", "fast"}
    assert all(fits(space, c) for c in seen)


def test_exploring_multiplies_by_either_factor() -> None:
    """Exploring without resampling multiplies every number by 0.8 or 1.2 and leaves constants unchanged."""
    rng = np.random.default_rng(0)
    config = {"lr": 0.01, "units": 20, "kind": "b", "fixed": 7}
    seen = [perturb(_SPACE, config, rng, resample_probability=0) for _ in range(50)]
    assert {round(c["lr"], 6) for c in seen} == {0.008, 0.012}
    assert {c["units"] for c in seen} == {16, 24}
    assert {c["kind"] for c in seen} == {"a", "c"}
    assert {c["fixed"] for c in seen} == {7}
    assert config == {"lr": 0.01, "units": 20, "kind": "b", "fixed": 7}


def test_exploring_draws_from_the_domain() -> None:
    """Exploring with a resampling probability of 1 draws every parameter from its domain."""
    seen = [
        perturb(
            _SPACE, {"lr": 0.01, "units": 20, "kind": "b", "fixed": 7}, np.random.default_rng(i), resample_probability=1
        )
        for i in range(20)
    ]
    assert len({c["lr"] for c in seen}) == 20
    assert all(domain.contains(c[name]) for c in seen for name, domain in _SPACE.items() if name != "fixed")


@pytest.mark.parametrize("probability", [0.25, 0.75])
def test_the_probability_of_redrawing_is_kept(probability: float) -> None:
    """Over many explorations, the share of redrawn parameters is the given probability."""
    rng = np.random.default_rng(1)
    moved = [perturb({"lr": Uniform(0, 1)}, {"lr": 0.5}, rng, resample_probability=probability) for _ in range(2000)]
    again = sum(c["lr"] not in (0.4, 0.6) for c in moved) / len(moved)
    assert again == pytest.approx(probability, abs=0.04)


def test_values_that_a_changed_space_still_lists_are_carried_over() -> None:
    """A config from before a change of its space keeps its numbers and listed values; others are drawn."""
    space = {"x": Uniform(0, 1), "kind": Choice(["b", "c"]), "how": Switch({"new": {"y": Uniform(2, 3)}}), "fixed": 7}
    config = carry_over(space, {"x": 1.5, "kind": "b", "how": "old", "fixed": 6}, np.random.default_rng(0))
    assert (config["x"], config["kind"], config["how"], config["fixed"]) == (1.5, "b", "new", 7)
    assert 2 <= config["y"] < 3
    assert carry_over(space, config, np.random.default_rng(1)) == config


def test_exploring_by_other_factors() -> None:
    """Exploring multiplies by each of the given factors, however many there are."""
    rng = np.random.default_rng(0)
    factors = (0.5, 1.1, 3.0)
    seen = [perturb(_SPACE, {"lr": 0.01, "units": 20, "kind": "b", "fixed": 7}, rng, resample_probability=0,
                    factors=factors) for _ in range(50)]  # fmt: skip
    assert {round(config["lr"], 6) for config in seen} == {0.005, 0.011, 0.03}


@given(seed=st.integers(0, 999), names=st.sets(st.sampled_from(["lr", "schedule", "decay", "restarts", "period"])))
def test_only_the_named_parameters_of_an_explored_space_change(seed: int, names: set[str]) -> None:
    """Around any config, an explored space draws configs of the space that differ in named parameters alone.

    A parameter of a branch that the config does not take is drawn, too.
    """
    rng = np.random.default_rng(seed)
    config = draw(_NESTED, rng)
    explored = perturb(explored_space(_NESTED, config, dict.fromkeys(names)), config, rng, resample_probability=0.5)
    assert fits(_NESTED, explored)
    assert {name for name in config if name in explored and explored[name] != config[name]} <= names
    assert (explored.keys() == config.keys()) or names & {"schedule", "restarts"}


def test_a_parameter_is_explored_in_a_domain_of_its_own() -> None:
    """A parameter with a domain of its own is drawn and multiplied within it, from a value beyond it, too."""
    domains = {"lr": LogUniform(0.1, 0.2), "kind": Choice(["c", "a"])}
    config = {"lr": 0.01, "units": 20, "kind": "b", "fixed": 7}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found = perturb(explored_space(_SPACE, config, domains), config, rng, resample_probability=0.5)
        assert 0.1 <= found["lr"] < 0.2
        assert found["kind"] in ("a", "c")
        assert (found["units"], found["fixed"]) == (20, 7)


def test_an_explored_space_follows_a_changed_space() -> None:
    """After a change of the space, values that it no longer lists are drawn, and numbers move into their ranges."""
    space = {
        "x": Uniform(0, 1),
        "n": IntUniform(1, 9),
        "kind": Choice(["b", "c"]),
        "how": Switch({"new": {"y": 3}}),
        "z": 8,
    }
    config = {"x": 1.5, "n": 99, "kind": "a", "how": "old", "z": 7}
    explored = explored_space(space, config, {})
    assert explored["x"] == pytest.approx(1)
    assert fits(space, draw(explored, np.random.default_rng(0)))
    assert (explored["n"], explored["kind"], explored["z"]) == (9, Choice(["b", "c"]), 8)


def test_values_get_the_types_of_their_domains() -> None:
    """Numbers and listed values get the types that their domains draw, and constants stay."""
    space = {"x": Uniform(0, 9), "n": IntUniform(1, 9), "kind": Choice([1, 2.5]), "z": 8}
    typed = as_drawn(space, {"x": 2, "n": 3.0, "kind": 1.0, "z": 8})
    assert [(value, type(value)) for value in typed.values()] == [(2.0, float), (3, int), (1, int), (8, int)]
