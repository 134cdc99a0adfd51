"""Keras' optimisers as competitors on Beale's function, their hyperparameters tuned.

Each optimiser walks from seventeen starting points in parallel, the tutorial's (4, 4) and an even grid. Four numbers
judge it: the steps to come within 0.01 of the minimum (`steps`), the distance from there (`distance`), the number of
starting points from which it arrives (`arrived`), and the numbers that it keeps for each weight (`slots`). The
leaderboard shows them and the seconds side by side. Any other surface is a job file of one line:
`JOB = compete("himmelblau")`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pipeline.schedulers import FIFO
from pipeline.searchers import SobolSearch
from pipeline.space import LogUniform, Switch, Uniform
from pipeline.study import Budget, Objective, TuneJob
from tune_jobs.networks import optimiser_of
from tune_jobs.surfaces import SURFACES

EPOCHS, STEPS = 32, 20
_NEAR = 0.01
_ALONG = 4
_KINDS: dict[str, dict[str, Any]] = {
    "sgd": {},
    "momentum": {"optimiser": "sgd"},
    "nesterov": {"optimiser": "sgd", "nesterov": True},
    "rmsprop": {"optimiser": "rmsprop"},
    "adam": {"optimiser": "adam"},
}


def walk(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """Walk down a surface from many points; an epoch is 20 steps.

    As in training a network, the norm of each place's gradient is clipped, at 1, and the walk stays within the bounds.
    """
    import keras

    surface = SURFACES[config["surface"]]
    optimiser = optimiser_of({**config, **_KINDS[config["walker"]]})
    variable = keras.Variable(surface.starts(_ALONG), dtype="float64")
    optimiser.build([variable])
    points = keras.ops.convert_to_numpy(variable)
    steps = np.full(len(points), float(EPOCHS * STEPS + 1))
    for step in range(1, EPOCHS * STEPS + 1):
        slopes = surface.gradient(points)
        slopes /= np.maximum(1.0, np.hypot(slopes[:, 0], slopes[:, 1]))[:, None]
        optimiser.apply([keras.ops.convert_to_tensor(slopes, "float64")])
        points = surface.within(keras.ops.convert_to_numpy(variable))
        variable.assign(points)
        distances = surface.distance(points)
        steps[distances <= _NEAR] = np.minimum(steps, step)[distances <= _NEAR]
        if step % STEPS == 0:
            yield {
                "distance": float(np.median(distances)),
                "steps": float(np.median(steps)),
                "arrived": float(np.mean(distances <= _NEAR)),
                "slots": float(sum(slot.shape == variable.shape for slot in optimiser.variables)),
                "value": float(np.median(surface.value(points))),
                "x": float(points[0, 0]),
                "y": float(points[0, 1]),
            }


def compete(name: str) -> TuneJob:
    """The job for a surface."""
    lr = LogUniform(1e-3, 1.0)
    return TuneJob(
        name=f"{name}-optimisers",
        description=f"Keras' optimisers on {name.capitalize()}'s function, from seventeen starting points",
        function=walk,
        space={
            "surface": name,
            "walker": Switch(
                {
                    "sgd": {"lr": lr},
                    "momentum": {"lr": lr, "momentum": Uniform(0.1, 0.99)},
                    "nesterov": {"lr": lr, "momentum": Uniform(0.1, 0.99)},
                    "rmsprop": {"lr": lr, "rho": Uniform(0.5, 0.99)},
                    "adam": {"lr": lr, "beta_1": Uniform(0.5, 0.99)},
                }
            ),
        },
        objectives=[
            Objective("distance", "min"),
            Objective("steps", "min"),
            Objective("arrived", "max"),
            Objective("slots", "min"),
        ],
        # Who is quick at first need not be the one that arrives.
        scheduler=FIFO(),
        # A searcher that learns would try the one that does well at first and leave the others untuned.
        searcher=SobolSearch(),
        budget=Budget(trials=64, epochs=EPOCHS),
    )


JOB = compete("beale")
