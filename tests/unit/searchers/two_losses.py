"""A study of two objectives with a known front, for tests of searchers that learn from both."""

from pipeline.searchers import Observation, SearcherSettings
from pipeline.space import Config, Uniform

__all__ = ["SPACE", "losses", "tried"]

SPACE = {"x": Uniform(0, 1), "y": Uniform(0, 1)}
"""The front is where y is 0.2; x trades one loss for the other."""


def losses(config: Config) -> tuple[float, float]:
    """Both losses of a config."""
    x, y = float(config["x"]), float(config["y"])
    away = 4 * (y - 0.2) ** 2
    return x + away, 1 - x + away


def tried(settings: SearcherSettings, count: int, *, most: float | None = None, seed: int = 0) -> list[Observation]:
    """A study as it goes on, one config at a time.

    Args:
        settings: Draws the configs.
        count: How many.
        most: The bound of the second loss.
        seed: The study's seed.
    """
    found: list[Observation] = []
    for index in range(count):
        config = settings.draw(SPACE, seed=seed, index=index, observations=found)
        both = losses(config)
        violation = 0.0 if most is None else max(0.0, (both[1] - most) / most)
        found.append(Observation(config, "known", both[0], losses=both, violation=violation))
    return found
