"""What holds for every searcher."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.searchers import SEARCHERS, GridSearch, RandomSearch, SearcherSettings
from pipeline.space import Choice, Grid, IntUniform, LogUniform, Normal, QUniform, Uniform

_LISTED = {"a": Grid([1, 2, 3]), "b": Choice(["x", "y"]), "fixed": 0.5, "c": Grid([True, False])}
_ENDLESS = {
    **_LISTED,
    "lr": LogUniform(1e-4, 1),
    "u": Uniform(-1, 1),
    "n": IntUniform(1, 5),
    "q": QUniform(0, 1, 0.1),
    "z": Normal(0, 1),
}


@pytest.fixture(params=SEARCHERS)
def settings(request: pytest.FixtureRequest) -> SearcherSettings:
    """Each searcher, with its defaults."""
    return SEARCHERS[request.param]()


def _space(settings: SearcherSettings) -> dict[str, Any]:
    """The richest space the searcher takes."""
    return _ENDLESS if settings.fault(_ENDLESS) is None else _LISTED


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_config_i_depends_on_seed_and_i_alone(settings: SearcherSettings, seed: int) -> None:
    """In whatever order they are drawn, by whomever, and on a resume, config i is the same."""
    space = _space(settings)
    forwards = [settings.draw(space, seed=seed, index=i) for i in range(20)]
    backwards = [SEARCHERS[settings.kind]().draw(space, seed=seed, index=i) for i in reversed(range(20))]
    assert forwards == backwards[::-1]


@given(seed=st.integers(0, 2**31 - 1), index=st.integers(0, 10**6), kind=st.sampled_from(sorted(SEARCHERS)))
def test_values_lie_in_the_space(seed: int, index: int, kind: str) -> None:
    """Every parameter has a value that its domain contains, a constant its own; all of them plain JSON values."""
    settings = SEARCHERS[kind]()
    space = _space(settings)
    config = settings.draw(space, seed=seed, index=index)
    assert list(config) == list(space)
    assert config["fixed"] == 0.5
    assert all(not hasattr(domain, "contains") or domain.contains(config[name]) for name, domain in space.items())
    assert json.loads(json.dumps(config)) == config


def test_as_many_configs_as_are_promised(settings: SearcherSettings) -> None:
    """Where there is an end, so many configs are drawn, all different; where there is none, they go on differing."""
    space = _space(settings)
    size = settings.size(space)
    drawn = {json.dumps(settings.draw(space, seed=3, index=i)) for i in range(50 if size is None else size)}
    assert len(drawn) == (50 if size is None else size)


def test_a_space_of_constants_is_one_config(settings: SearcherSettings) -> None:
    """Nothing to draw is no error."""
    assert settings.fault({"a": 1}) is None
    assert settings.draw({"a": 1}, seed=0, index=5) == {"a": 1}


def test_the_grid_covers_every_combination_once() -> None:
    """Choices are listed values too; the last parameter runs fastest, and beyond the end it begins anew."""
    grid = GridSearch()
    assert grid.size(_LISTED) == 12
    configs = [tuple(grid.draw(_LISTED, seed=0, index=i).values()) for i in range(24)]
    assert len(set(configs[:12])) == 12
    assert configs[:12] == configs[12:]
    assert configs[:3] == [(1, "x", 0.5, True), (1, "x", 0.5, False), (1, "y", 0.5, True)]


def test_the_grid_does_not_depend_on_the_seed() -> None:
    """There is nothing random about it."""
    grid = GridSearch()
    assert [grid.draw(_LISTED, seed=0, index=i) for i in range(12)] == [
        grid.draw(_LISTED, seed=9, index=i) for i in range(12)
    ]


def test_the_grid_refuses_endless_domains_by_name() -> None:
    """Every parameter without a list of values is named."""
    assert GridSearch().fault(_ENDLESS) == (
        "grid search needs a Grid, a Choice or a fixed value for every parameter, and lr, u, n, q, z have none"
    )
    assert GridSearch().fault({"lr": Uniform(0, 1)}).endswith("and lr has none")


def test_seeds_draw_differently() -> None:
    """Another seed is another study, and so is another index."""
    space = {"u": Uniform(0, 1)}
    drawn = {RandomSearch().draw(space, seed=s, index=i)["u"] for s in range(20) for i in range(20)}
    assert len(drawn) == 400


def test_random_search_runs_through_grids() -> None:
    """A Grid among random parameters takes its values in turn, a Choice is drawn."""
    space = {"g": Grid([1, 2, 3]), "c": Choice([0, 1]), "u": Uniform(0, 1)}
    configs = [RandomSearch().draw(space, seed=0, index=i) for i in range(300)]
    assert [config["g"] for config in configs] == [1, 2, 3] * 100
    assert 100 < sum(config["c"] for config in configs) < 200
    assert math.isclose(sum(config["u"] for config in configs) / 300, 0.5, abs_tol=0.06)
