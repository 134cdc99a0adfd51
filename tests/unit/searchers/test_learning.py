"""Searchers that learn find better configs than random search."""

from typing import Any

import pytest

from pipeline.searchers import SEARCHERS, MOTPESearch, NSGA2Search, Observation, RandomSearch
from tests.unit.searchers.problems import (
    CUBE,
    SQUARE,
    SWITCHED,
    TWO_LOSSES,
    beats_chance,
    branin,
    keeps_to_bounds,
    learns_the_front,
    sphere,
    switched,
)


@pytest.mark.parametrize(
    ("kind", "space", "loss", "trials"),
    [
        ("cma", SQUARE, branin, 60),
        ("cma", CUBE, sphere, 60),
        ("curves", SQUARE, branin, 30),
        ("curves", SWITCHED, switched, 30),
        ("gp", SQUARE, branin, 25),
        ("gp", SWITCHED, switched, 25),
        ("tpe", SQUARE, branin, 40),
        ("tpe", CUBE, sphere, 60),
        ("tpe", SWITCHED, switched, 40),
    ],
)
def test_it_beats_chance(kind: str, space: dict[str, Any], loss: Any, trials: int) -> None:
    assert beats_chance(kind, space, loss, trials)


@pytest.mark.parametrize("searcher", [MOTPESearch(), NSGA2Search()])
def test_it_learns_the_front_of_both_objectives_within_their_bounds(searcher: Any) -> None:
    assert learns_the_front(searcher)
    assert keeps_to_bounds(searcher)


@pytest.mark.parametrize("kind", ["gp", "tpe"])
def test_the_first_configs_are_those_of_random_search(kind: str) -> None:
    at_random = RandomSearch().draw(SQUARE, seed=0, index=30)
    configs = [RandomSearch().draw(SQUARE, seed=0, index=index) for index in range(12)]
    tried = [Observation(config, "known", float(config["x"])) for config in configs]
    trained = [Observation(config, "open") for config in configs]
    searcher = SEARCHERS[kind](startup=12)
    for known in (tried[:11], trained):
        assert searcher.draw(SQUARE, seed=0, index=30, observations=known) == at_random
    assert searcher.draw(SQUARE, seed=0, index=30, observations=tried) != at_random


def test_every_second_draw_for_several_objectives_is_random_under_rungs() -> None:
    curve = ((1, (0.5, 0.5), 0.0), (4, (0.4, 0.4), 0.0))
    before = [
        Observation(config, "known", 0.4, losses=(0.4, 0.4), milestone_values=curve)
        for config in (RandomSearch().draw(TWO_LOSSES, seed=0, index=index) for index in range(20))
    ]
    same = [
        MOTPESearch().draw(TWO_LOSSES, seed=0, index=index, observations=before)
        == RandomSearch().draw(TWO_LOSSES, seed=0, index=index)
        for index in range(20, 26)
    ]
    assert same == [False, True] * 3
