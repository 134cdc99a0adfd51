"""Beale's function, the tutorial's yardstick for optimisers: which learning rate and momentum find its
minimum?

f(x, y) = (1.5 - x + xy)² + (2.25 - x + xy²)² + (2.625 - x + xy³)² has its minimum, 0, at (3, 0.5). Between
steep walls it is flat, as a network's loss surface may be.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pipeline.schedulers import ASHA
from pipeline.space import LogUniform, Uniform
from pipeline.study import Budget, Objective, TuneJob

__all__ = ["BOUND", "JOB", "MINIMUM", "START", "beale", "descend", "gradient"]

START = (4.0, 4.0)
MINIMUM = (3.0, 0.5)
BOUND = 4.5
_STEPS = 20


def beale(x: float, y: float) -> float:
    """Beale's function (Beale 1958)."""
    return float((1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2)


def gradient(x: float, y: float) -> np.ndarray:
    """Its gradient, shape (2,)."""
    first, second, third = 1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3
    return np.array(
        [
            2 * first * (y - 1) + 2 * second * (y**2 - 1) + 2 * third * (y**3 - 1),
            2 * first * x + 4 * second * x * y + 6 * third * x * y**2,
        ]
    )


def descend(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """Gradient descent with momentum from (4, 4), an epoch being 20 steps.

    The gradient at the start has length 107,000, near the minimum less than 1: as in training a network, its
    norm is clipped, here at 1. The walk stays within the bounds.

    Args:
        config: `lr` and `momentum`.

    Yields:
        `distance` to the minimum and `value` of the function.
    """
    place, velocity = np.array(START), np.zeros(2)
    while True:
        for _ in range(_STEPS):
            slope = gradient(*place)
            slope /= max(1.0, float(np.hypot(*slope)))
            velocity = config["momentum"] * velocity - config["lr"] * slope
            place = np.clip(place + velocity, -BOUND, BOUND)
        yield {"distance": float(np.hypot(*(place - MINIMUM))), "value": beale(*place)}


JOB = TuneJob(
    name="beale",
    description="Gradient descent with momentum on Beale's function, 32 trials, without Keras",
    function=descend,
    space={"lr": LogUniform(1e-3, 1.0), "momentum": Uniform(0.0, 0.99)},
    objectives=[Objective("distance", "min")],
    scheduler=ASHA(grace_period=1, reduction_factor=2),
    budget=Budget(trials=32, epochs=32),
)
