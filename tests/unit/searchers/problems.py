"""Functions whose best config a searcher has to find, and observations."""

import math
from statistics import median
from typing import Any

import numpy as np

from pipeline.searchers import SEARCHERS, Observation, RandomSearch, SearcherSettings
from pipeline.space import Config, IntUniform, LogUniform, Switch, Uniform


def branin(config: Config) -> float:
    x, y = 15 * float(config["x"]) - 5, 15 * float(config["y"])
    hill = (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2
    return hill + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def sphere(config: Config) -> float:
    return sum((float(value) - 1) ** 2 for value in config.values())


def switched(config: Config) -> float:
    worse = {"constant": 2.0, "exponential": 1.0, "cosine": 0.0}[str(config["schedule"])]
    inner = abs(float(config["period"]) - 5) / 5 if "period" in config else abs(float(config.get("decay", 1)) - 0.3)
    return worse + abs(math.log10(float(config["lr"]) / 0.03)) + inner


SWITCHED = {
    "lr": LogUniform(1e-4, 1),
    "schedule": Switch(
        {"constant": {}, "exponential": {"decay": LogUniform(0.01, 1)}, "cosine": {"period": IntUniform(1, 9)}}
    ),
}


SQUARE = {"x": Uniform(0, 1), "y": Uniform(0, 1)}


CUBE = {f"x{axis}": Uniform(-5, 5) for axis in range(5)}


def median_of_best(kind: str, space: dict[str, Any], loss: Any, trials: int, seeds: int = 5) -> float:
    best = []
    for seed in range(seeds):
        observations: list[Observation] = []
        for index in range(trials):
            config = SEARCHERS[kind]().draw(space, seed=seed, index=index, observations=observations)
            observations.append(Observation(config, "known", loss(config)))
        best.append(min(one.loss for one in observations if one.loss is not None))
    return median(best)


def beats_chance(kind: str, space: dict[str, Any], loss: Any, trials: int) -> bool:
    return median_of_best(kind, space, loss, trials) < median_of_best("random", space, loss, trials)


def known(x: float, *curve: tuple[int, float], loss: float | None = None, ended: bool = False) -> Observation:
    best = min((value for _, value in curve), default=None) if loss is None else loss
    return Observation({"x": x}, "known", best, curve, ended=ended)


TWO_LOSSES = {"x": Uniform(0, 1), "y": Uniform(0, 1)}
"""The front is where y is 0.2; x trades one loss for the other."""


def two_losses(config: Config) -> tuple[float, float]:
    x, y = float(config["x"]), float(config["y"])
    away = 4 * (y - 0.2) ** 2
    return x + away, 1 - x + away


def tried(settings: SearcherSettings, count: int, *, most: float | None = None, seed: int = 0) -> list[Observation]:
    observations: list[Observation] = []
    for index in range(count):
        config = settings.draw(TWO_LOSSES, seed=seed, index=index, observations=observations)
        both = two_losses(config)
        violation = 0.0 if most is None else max(0.0, (both[1] - most) / most)
        observations.append(Observation(config, "known", both[0], losses=both, violation=violation))
    return observations


def learns_the_front(settings: SearcherSettings) -> bool:
    later, random = (tried(each, 60)[30:] for each in (settings, RandomSearch()))
    away, away_at_random = (
        float(np.mean([abs(one.config["y"] - 0.2) for one in observations])) for observations in (later, random)
    )
    return away < 0.6 * away_at_random and float(np.ptp([one.config["x"] for one in later])) > 0.4


def keeps_to_bounds(settings: SearcherSettings) -> bool:
    later, random = (tried(each, 60, most=0.3)[30:] for each in (settings, RandomSearch()))
    return sum(one.violation == 0 for one in later) > 2 * sum(one.violation == 0 for one in random)
