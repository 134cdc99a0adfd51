"""Beale's function minimised by a searcher: a config is a point, and a trial evaluates the function there once.

`--search random|sobol|tpe|gp` compares searchers; `beale-minimise` does the same with SciPy. Any other
surface is a job file of one line: `JOB = search("himmelblau")`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.schedulers import FIFO
from pipeline.searchers import TPESearch
from pipeline.study import Budget, Objective, TuneJob
from tune_jobs.surfaces import SURFACES


def look(config: Mapping[str, Any]) -> dict[str, float]:
    """The `value` of a surface at a point, and its `distance` to the nearest minimum."""
    surface, point = SURFACES[config["surface"]], np.array([config["x"], config["y"]])
    return {"value": float(surface.value(point)), "distance": float(surface.distance(point))}


def search(name: str) -> TuneJob:
    """The job for a surface."""
    return TuneJob(
        name=f"{name}-search",
        description=f"The minimum of {name.capitalize()}'s function by TPE: 128 evaluations, 24 of them at random",
        function=look,
        space={"surface": name, **SURFACES[name].space},
        objectives=[Objective("value", "min")],
        scheduler=FIFO(),
        searcher=TPESearch(startup=24),
        budget=Budget(trials=128, epochs=1),
    )


JOB = search("beale")
