"""A study of two objectives with a known front, and checks of searchers that learn from both."""

import json
from dataclasses import asdict

import numpy as np

from pipeline.searchers import Observation, RandomSearch, SearcherSettings
from pipeline.space import Config, Uniform

SPACE = {"x": Uniform(0, 1), "y": Uniform(0, 1)}
"""The front is where y is 0.2; x trades one loss for the other."""


def losses(config: Config) -> tuple[float, float]:
    """Both losses of a config."""
    x, y = float(config["x"]), float(config["y"])
    away = 4 * (y - 0.2) ** 2
    return x + away, 1 - x + away


def tried(settings: SearcherSettings, count: int, *, most: float | None = None, seed: int = 0) -> list[Observation]:
    """A study as it proceeds, one config at a time."""
    observations: list[Observation] = []
    for index in range(count):
        config = settings.draw(SPACE, seed=seed, index=index, observations=observations)
        both = losses(config)
        violation = 0.0 if most is None else max(0.0, (both[1] - most) / most)
        observations.append(Observation(config, "known", both[0], losses=both, violation=violation))
    return observations


def learns_the_front(settings: SearcherSettings) -> bool:
    """Whether later configs are nearer to the front than random ones, and spread along it."""
    later, random = (tried(each, 60)[30:] for each in (settings, RandomSearch()))
    away, away_at_random = (
        float(np.mean([abs(one.config["y"] - 0.2) for one in observations])) for observations in (later, random)
    )
    return away < 0.6 * away_at_random and float(np.ptp([one.config["x"] for one in later])) > 0.4


def keeps_to_bounds(settings: SearcherSettings) -> bool:
    """Whether more than twice as many later configs as random ones are within a bound of the second loss."""
    later, random = (tried(each, 60, most=0.3)[30:] for each in (settings, RandomSearch()))
    return sum(one.violation == 0 for one in later) > 2 * sum(one.violation == 0 for one in random)


def draws_the_same_after_a_resume(settings: SearcherSettings) -> bool:
    """Whether a draw depends on seed and observations alone, even after these went through JSON."""
    before = tried(settings, 30, most=0.5)
    again = [Observation(**fields) for fields in json.loads(json.dumps([asdict(one) for one in before]))]
    first, second = (settings.draw(SPACE, seed=0, index=30, observations=known) for known in (before, again))
    return first == second != settings.draw(SPACE, seed=1, index=30, observations=before)
