"""A job whose best config is known, for tests of checks, of Ray Tune's classes and of what follows a study."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline import Budget, Objective, TuneJob, Uniform


def rising(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """The larger a, the better, from the first epoch on; beyond 0.95 it breaks."""
    for step in range(1, 10):
        if config["a"] > 0.95:
            raise ValueError("too much")
        yield {"score": config["a"] * step, "cost": -config["a"] * step}


def rising_job(**fields: Any) -> TuneJob:
    """Twelve trials in this process; keyword arguments are other fields of the job."""
    defaults: dict[str, Any] = {
        "name": "theirs",
        "function": rising,
        "space": {"a": Uniform(0, 0.9)},
        "objectives": Objective("score", "max"),
        "budget": Budget(trials=12, epochs=6),
        "resources": {"workers": 0},
    }
    return TuneJob(**{**defaults, **fields})
