"""Searchers that learn find better configs than random search."""

import math
from statistics import median
from typing import Any

import numpy as np
import pytest

from pipeline.searchers import SEARCHERS, History, MOTPESearch, Observation, RandomSearch, SearcherSettings
from pipeline.space import Config, IntUniform, LogUniform, Switch, Uniform

SQUARE = {"x": Uniform(0, 1), "y": Uniform(0, 1)}
"""Of two losses, the front is where y is 0.2; x trades one loss for the other."""

_SWITCHED = {
    "lr": LogUniform(1e-4, 1),
    "schedule": Switch(
        {"constant": {}, "exponential": {"decay": LogUniform(0.01, 1)}, "cosine": {"period": IntUniform(1, 9)}}
    ),
}


def _branin(config: Config) -> float:
    x, y = 15 * float(config["x"]) - 5, 15 * float(config["y"])
    hill = (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2
    return hill + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def _switched(config: Config) -> float:
    worse = {"constant": 2.0, "exponential": 1.0, "cosine": 0.0}[str(config["schedule"])]
    inner = abs(float(config["period"]) - 5) / 5 if "period" in config else abs(float(config.get("decay", 1)) - 0.3)
    return worse + abs(math.log10(float(config["lr"]) / 0.03)) + inner


def _median_of_best(kind: str, space: dict[str, Any], loss: Any, trials: int) -> float:
    best = []
    for seed in range(5):
        observations: list[Observation] = []
        for index in range(trials):
            config = SEARCHERS[kind]().draw(space, seed=seed, index=index, observations=observations)
            observations.append(Observation(config, "known", loss(config)))
        best.append(min(one.loss for one in observations if one.loss is not None))
    return median(best)


@pytest.mark.parametrize(
    ("kind", "space", "loss", "trials"),
    [
        ("curves", SQUARE, _branin, 25),
        ("curves", _SWITCHED, _switched, 25),
        ("gp", SQUARE, _branin, 20),
        ("tpe", _SWITCHED, _switched, 30),
    ],
)
def test_it_beats_chance(kind: str, space: dict[str, Any], loss: Any, trials: int) -> None:
    found, at_random = (_median_of_best(each, space, loss, trials) for each in (kind, "random"))
    assert found < at_random


def _tried(settings: SearcherSettings, *, most: float = math.inf) -> list[Observation]:
    observations: list[Observation] = []
    for index in range(60):
        config = settings.draw(SQUARE, seed=0, index=index, observations=observations)
        x, away = float(config["x"]), 4 * (float(config["y"]) - 0.2) ** 2
        both = x + away, 1 - x + away
        violation = max(0.0, (both[1] - most) / most) if most < math.inf else 0.0
        observations.append(Observation(config, "known", both[0], losses=both, violation=violation))
    return observations[30:]


def test_it_learns_the_front_of_both_objectives_within_their_bounds() -> None:
    away, at_random = (
        float(np.mean([abs(float(one.config["y"]) - 0.2) for one in _tried(each)]))
        for each in (MOTPESearch(), RandomSearch())
    )
    assert away < 0.6 * at_random
    inside, at_random = (
        sum(one.violation == 0 for one in _tried(each, most=0.3)) for each in (MOTPESearch(), RandomSearch())
    )
    assert inside > 2 * at_random


@pytest.mark.parametrize("kind", ["gp", "tpe"])
def test_the_first_configs_are_those_of_random_search(kind: str) -> None:
    at_random = RandomSearch().draw(SQUARE, seed=0, index=30)
    configs = [RandomSearch().draw(SQUARE, seed=0, index=index) for index in range(12)]
    tried = [Observation(config, "known", float(config["x"])) for config in configs]
    searcher = SEARCHERS[kind](startup=12)
    for known in (tried[:11], [Observation(config, "open") for config in configs]):
        assert searcher.draw(SQUARE, seed=0, index=30, observations=known) == at_random
    assert searcher.draw(SQUARE, seed=0, index=30, observations=tried) != at_random


@pytest.mark.parametrize("kind", ["motpe", "tpe"])
def test_every_second_draw_is_random_before_the_last_epoch(kind: str) -> None:
    values = ((1, (0.5, 0.5), 0.0), (4, (0.4, 0.4), 0.0))
    before = History(
        Observation(config, "known", 0.4, ((1, 0.5), (4, 0.4)), losses=(0.4, 0.4), milestone_values=values)
        for config in (RandomSearch().draw(SQUARE, seed=0, index=index) for index in range(20))
    )
    for epochs, expected in ((9, [False, True]), (4, [False, False])):
        drawn = [SEARCHERS[kind]().suggest(SQUARE, seed=0, index=i, history=before, epochs=epochs) for i in (20, 21)]
        same = [one.config == RandomSearch().draw(SQUARE, seed=0, index=20 + i) for i, one in enumerate(drawn)]
        assert same == expected
