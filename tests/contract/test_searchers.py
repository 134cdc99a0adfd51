"""What holds for every searcher."""

import json
import math
from collections import Counter
from dataclasses import asdict
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.searchers import SEARCHERS, GridSearch, RandomSearch, SearcherSettings, Tried
from pipeline.space import Choice, Config, Grid, IntUniform, LogUniform, Normal, QUniform, Switch, Uniform, fits

_LISTED = {"a": Grid([1, 2, 3]), "b": Choice(["x", "y"]), "fixed": 0.5, "c": Grid([True, False])}
_BRANCHES = {
    "plain": {},
    "deep": {"g": Grid([1, 2]), "inner": Switch({"no": {}, "yes": {"h": Choice([1.5, 2.5]), "i": "fixed"}})},
    "other": {"g": Grid([2, 3])},
}
_LISTED_DEEP = {**_LISTED, "s": Switch(_BRANCHES)}
_ENDLESS = {
    **_LISTED,
    "lr": LogUniform(1e-4, 1),
    "u": Uniform(-1, 1),
    "n": IntUniform(1, 5),
    "q": QUniform(0, 1, 0.1),
    "z": Normal(0, 1),
    "s": Switch({**_BRANCHES, "rates": {"warm": Uniform(0, 1), "decay": LogUniform(0.01, 1), "k": IntUniform(0, 9)}}),
}
_LEARNING = ("cma", "gp", "tpe")


@pytest.fixture(params=SEARCHERS)
def settings(request: pytest.FixtureRequest) -> SearcherSettings:
    """Each searcher, with its defaults."""
    return SEARCHERS[request.param]()


def _space(settings: SearcherSettings) -> dict[str, Any]:
    """The richest space the searcher takes."""
    return _ENDLESS if settings.fault(_ENDLESS) is None else _LISTED_DEEP


def _loss(config: Config) -> float:
    """Something to be learned: smooth in the numbers, with a preferred branch."""
    numbers = [float(value) for value in config.values() if isinstance(value, int | float)]
    return sum((number - 0.3) ** 2 for number in numbers) + (config["s"] != "rates")


def _tried(settings: SearcherSettings, count: int, seed: int = 0) -> list[Tried]:
    """A study as it has gone on so far, one at a time: every seventh config fails, the last one still trains."""
    tried: list[Tried] = []
    for index in range(count):
        config = settings.draw(_space(settings), seed=seed, index=index, tried=tried)
        if index == count - 1:
            tried.append(Tried(config, "open"))
        else:
            tried.append(Tried(config, "failed") if index % 7 == 3 else Tried(config, "known", _loss(config)))
    return tried


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_config_i_depends_on_seed_and_i_alone(settings: SearcherSettings, seed: int) -> None:
    """In whatever order they are drawn, by whomever, and on a resume, config i is the same."""
    space = _space(settings)
    forwards = [settings.draw(space, seed=seed, index=i) for i in range(20)]
    backwards = [SEARCHERS[settings.kind]().draw(space, seed=seed, index=i) for i in reversed(range(20))]
    assert forwards == backwards[::-1]


def test_a_study_that_is_resumed_goes_on_with_the_configs_it_would_have_drawn(settings: SearcherSettings) -> None:
    """A searcher keeps no state of its own: another one that is told what was tried draws the same."""
    tried = _tried(settings, 20)
    again = json.loads(json.dumps([asdict(one) for one in tried]))
    told = [Tried(**fields) for fields in again]
    drawn = settings.draw(_space(settings), seed=0, index=20, tried=tried)
    assert SEARCHERS[settings.kind]().draw(_space(settings), seed=0, index=20, tried=told) == drawn


def test_only_those_that_learn_look_at_what_was_tried(settings: SearcherSettings) -> None:
    """Grid, random and Sobol search draw config 20 from the seed and its number, whatever came before."""
    tried = _tried(settings, 20)
    drawn = settings.draw(_space(settings), seed=0, index=20, tried=tried)
    assert (drawn != settings.draw(_space(settings), seed=0, index=20)) == (settings.kind in _LEARNING)


def test_configs_that_were_tried_lie_in_the_space(settings: SearcherSettings) -> None:
    """Also after failures, with one still training, and in whatever branch."""
    tried = _tried(settings, 30, seed=5)
    assert all(fits(_space(settings), one.config) for one in tried)
    assert len({one.config["s"] for one in tried}) > 2


def test_what_still_trains_is_not_tried_again(settings: SearcherSettings) -> None:
    """Several workers ask one after the other: they get different configs."""
    tried = _tried(settings, 16)
    for index in range(16, 20):
        config = settings.draw(_space(settings), seed=0, index=index, tried=tried)
        tried.append(Tried(config, "open"))
    assert len({json.dumps(one.config) for one in tried[-5:]}) == 5


def test_nothing_but_failures_is_no_obstacle(settings: SearcherSettings) -> None:
    """Where no value is known yet, configs go on being drawn."""
    space = _space(settings)
    tried = [Tried(settings.draw(space, seed=0, index=index), "failed") for index in range(30)]
    assert fits(space, settings.draw(space, seed=0, index=30, tried=tried))


@pytest.mark.parametrize("losses", [[0.1], [1e300], [-1e300, 1e300], [1e-300, 1.0]])
def test_extreme_values_are_no_obstacle(settings: SearcherSettings, losses: list[float]) -> None:
    """A flat objective, as of a network that learns nothing, and one that diverges are drawn from like any other."""
    space = _space(settings)
    tried = [
        Tried(settings.draw(space, seed=0, index=index), "known", losses[index % len(losses)]) for index in range(30)
    ]
    assert fits(space, settings.draw(space, seed=0, index=30, tried=tried))


@given(seed=st.integers(0, 2**31 - 1), index=st.integers(0, 10**6), kind=st.sampled_from(sorted(SEARCHERS)))
def test_values_lie_in_the_space(seed: int, index: int, kind: str) -> None:
    """Every parameter that is there has a value its domain contains, a constant its own; all are plain JSON values."""
    settings = SEARCHERS[kind]()
    space = _space(settings)
    config = settings.draw(space, seed=seed, index=index)
    assert fits(space, config)
    assert [name for name in config if name in space] == list(space)
    assert json.loads(json.dumps(config)) == config


def test_as_many_configs_as_are_promised(settings: SearcherSettings) -> None:
    """Where there is an end, so many configs are drawn, all different; where there is none, they go on differing."""
    space = _space(settings)
    size = settings.size(space)
    drawn = {json.dumps(settings.draw(space, seed=3, index=i)) for i in range(50 if size is None else size)}
    assert len(drawn) == (50 if size is None else size)


@pytest.mark.parametrize("known", [0, 20])
def test_a_space_of_constants_is_one_config(settings: SearcherSettings, known: int) -> None:
    """Nothing to draw is no error."""
    assert settings.fault({"a": 1}) is None
    assert settings.draw({"a": 1}, seed=0, index=5, tried=[Tried({"a": 1}, "known", 0.5)] * known) == {"a": 1}


def _branin(config: Config) -> float:
    """Branin's function on the unit square, a yardstick with three equal minima of 0.398."""
    x, y = 15 * float(config["x"]) - 5, 15 * float(config["y"])
    hill = (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2
    return hill + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def _sphere(config: Config) -> float:
    return sum((float(value) - 1) ** 2 for value in config.values())


def _switched(config: Config) -> float:
    """The best branch is the third, the best rate 0.03, and within the branch the best period 5."""
    worse = {"constant": 2.0, "exponential": 1.0, "cosine": 0.0}[str(config["schedule"])]
    inner = abs(float(config["period"]) - 5) / 5 if "period" in config else abs(float(config.get("decay", 1)) - 0.3)
    return worse + abs(math.log10(float(config["lr"]) / 0.03)) + inner


_SWITCHED = {
    "lr": LogUniform(1e-4, 1),
    "schedule": Switch(
        {"constant": {}, "exponential": {"decay": LogUniform(0.01, 1)}, "cosine": {"period": IntUniform(1, 9)}}
    ),
}
_SQUARE = {"x": Uniform(0, 1), "y": Uniform(0, 1)}
_CUBE = {f"x{axis}": Uniform(-5, 5) for axis in range(5)}


def _median_of_best(kind: str, space: dict[str, Any], loss: Any, trials: int, seeds: int = 5) -> float:
    best = []
    for seed in range(seeds):
        tried: list[Tried] = []
        for index in range(trials):
            config = SEARCHERS[kind]().draw(space, seed=seed, index=index, tried=tried)
            tried.append(Tried(config, "known", loss(config)))
        best.append(min(one.loss for one in tried if one.loss is not None))
    return median(best)


@pytest.mark.parametrize(
    ("kind", "space", "loss", "trials"),
    [
        ("tpe", _SQUARE, _branin, 40),
        ("tpe", _CUBE, _sphere, 80),
        ("tpe", _SWITCHED, _switched, 40),
        ("cma", _SQUARE, _branin, 60),
        ("cma", _CUBE, _sphere, 80),
        ("gp", _SQUARE, _branin, 25),
        ("gp", _CUBE, _sphere, 30),
        ("gp", _SWITCHED, _switched, 25),
    ],
)
def test_learning_beats_chance(kind: str, space: dict[str, Any], loss: Any, trials: int) -> None:
    """After as many trials the best of a searcher that learns is better than that of random search, by the median."""
    assert _median_of_best(kind, space, loss, trials) < _median_of_best("random", space, loss, trials)


def test_sobol_is_more_even_than_chance() -> None:
    """Of 64 points every sixteenth part of the square holds exactly four, and every branch is as frequent."""
    sobol = SEARCHERS["sobol"]()
    configs = [sobol.draw(_SQUARE, seed=3, index=index) for index in range(64)]
    cells = Counter((int(4 * float(config["x"])), int(4 * float(config["y"]))) for config in configs)
    assert set(cells.values()) == {4}
    branches = Counter(
        sobol.draw({"s": Switch({"a": {}, "b": {"p": Uniform(0, 1)}})}, seed=0, index=index)["s"] for index in range(64)
    )
    assert set(branches.values()) == {32}


def test_the_first_configs_of_those_that_model_are_random_search() -> None:
    """There is nothing to learn from yet: TPE and the Gaussian process begin as random search does."""
    for kind in ("tpe", "gp"):
        drawn = [one.config for one in _tried(SEARCHERS[kind](), 8)]
        assert drawn == [RandomSearch().draw(_ENDLESS, seed=0, index=index) for index in range(8)]


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
        "grid search needs a Grid, a Choice or a fixed value for every parameter, and lr, u, n, q, z, "
        "s.rates.warm, s.rates.decay, s.rates.k have none"
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
