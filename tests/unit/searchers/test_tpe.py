"""The tree-structured Parzen estimator."""

from typing import Any

import pytest

from pipeline.searchers import Observation, RandomSearch, TPESearch
from pipeline.space import Choice, Config, Uniform
from tests.unit.searchers.known_optima import CUBE, SQUARE, SWITCHED, beats_chance, branin, sphere, switched

_SPACE = {"x": Uniform(0, 1), "kind": Choice(["a", "b", "c"])}


def _tried(count: int, state: Any = "known") -> list[Observation]:
    """Trials in which smaller x is better and b is the best choice."""
    configs = [RandomSearch().draw(_SPACE, seed=7, index=index) for index in range(count)]
    return [Observation(config, state, float(config["x"]) + (config["kind"] != "b")) for config in configs]


@pytest.mark.parametrize(
    ("space", "loss", "trials"), [(SQUARE, branin, 40), (CUBE, sphere, 80), (SWITCHED, switched, 40)]
)
def test_it_beats_chance(space: dict[str, Any], loss: Any, trials: int) -> None:
    """TPE finds a better config than random search in the same number of trials."""
    assert beats_chance("tpe", space, loss, trials)


def test_it_draws_where_good_configs_are_dense() -> None:
    """Most draws of TPE have the good value of a choice and a number in the good half."""
    drawn = [TPESearch().draw(_SPACE, seed=0, index=index, observations=_tried(40)) for index in range(20)]
    assert sum(config["kind"] == "b" for config in drawn) > 14
    assert sum(float(config["x"]) < 0.5 for config in drawn) > 14


def test_it_begins_as_random_search() -> None:
    """TPE draws as random search until `startup` losses are known, without running trials."""
    tpe = TPESearch(startup=12)

    def draw(observations: list[Observation]) -> Config:
        return tpe.draw(_SPACE, seed=0, index=30, observations=observations)

    at_random = RandomSearch().draw(_SPACE, seed=0, index=30)
    trained = [Observation(one.config, "open") for one in _tried(30)]
    assert draw(_tried(11)) == draw(trained) == at_random
    assert draw(_tried(12)) != at_random


def test_a_failed_config_is_avoided() -> None:
    """TPE draws a value with which all configs failed less often than chance would."""
    tried = [Observation(one.config, "failed") if one.config["kind"] == "b" else one for one in _tried(60)]
    drawn = [TPESearch().draw(_SPACE, seed=0, index=index, observations=tried) for index in range(20)]
    assert sum(config["kind"] == "b" for config in drawn) < 4
