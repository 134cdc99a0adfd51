"""Beale's function, the tutorial's yardstick for optimisers: which learning rate and momentum find its
minimum?

f(x, y) = (1.5 - x + xy)² + (2.25 - x + xy²)² + (2.625 - x + xy³)² has its minimum, 0, at (3, 0.5). Between
steep walls it is flat, as a network's loss surface may be. Without Keras; `beale-optimisers` compares Keras' own.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pipeline.schedulers import ASHA
from pipeline.space import LogUniform, Uniform
from pipeline.study import Budget, Objective, TuneJob
from tune_jobs.surfaces import SURFACES

_STEPS = 20


def descend(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """Gradient descent with momentum from (4, 4); an epoch is 20 steps.

    The gradient at the start has length 107,000, near the minimum less than 1: as in training a network, its
    norm is clipped, here at 1. The walk stays within the bounds.
    """
    surface = SURFACES["beale"]
    place, velocity = np.array(surface.start), np.zeros(2)
    while True:
        for _ in range(_STEPS):
            slope = surface.gradient(place)
            slope /= max(1.0, float(np.hypot(*slope)))
            velocity = config["momentum"] * velocity - config["lr"] * slope
            place = surface.within(place + velocity)
        yield {
            "distance": float(surface.distance(place)),
            "value": float(surface.value(place)),
            "x": float(place[0]),
            "y": float(place[1]),
        }


JOB = TuneJob(
    name="beale",
    description="Gradient descent with momentum on Beale's function, 32 trials, without Keras",
    function=descend,
    space={"lr": LogUniform(1e-3, 1.0), "momentum": Uniform(0.0, 0.99)},
    objectives=[Objective("distance", "min")],
    scheduler=ASHA(grace_period=1, reduction_factor=2),
    budget=Budget(trials=32, epochs=32),
)
