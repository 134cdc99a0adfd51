"""Functions whose best config a searcher has to find."""

import math
from statistics import median
from typing import Any

from pipeline.searchers import SEARCHERS, Observation
from pipeline.space import Config, IntUniform, LogUniform, Switch, Uniform


def branin(config: Config) -> float:
    """Branin's function on the unit square, a yardstick with three equal minima of 0.398."""
    x, y = 15 * float(config["x"]) - 5, 15 * float(config["y"])
    hill = (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2
    return hill + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def sphere(config: Config) -> float:
    """The squared distance from a fixed point."""
    return sum((float(value) - 1) ** 2 for value in config.values())


def switched(config: Config) -> float:
    """A function with its minimum in the third branch, at rate 0.03 and, within the branch, period 5."""
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
    """The median over some seeds of the least loss that a study finds."""
    best = []
    for seed in range(seeds):
        observations: list[Observation] = []
        for index in range(trials):
            config = SEARCHERS[kind]().draw(space, seed=seed, index=index, observations=observations)
            observations.append(Observation(config, "known", loss(config)))
        best.append(min(one.loss for one in observations if one.loss is not None))
    return median(best)


def beats_chance(kind: str, space: dict[str, Any], loss: Any, trials: int) -> bool:
    """Whether a searcher's best config after some trials is better than that of random search, by the median."""
    return median_of_best(kind, space, loss, trials) < median_of_best("random", space, loss, trials)
