"""The places of Beale's function as configs: a trial is one look at it, and the searcher alone has to find the minimum.

`--search random|sobol|tpe|cma|gp` compares searchers; `beale-minimise` is what SciPy makes of the same. Any other
surface is a job file of one line: `JOB = search("himmelblau")`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.schedulers import FIFO
from pipeline.searchers import TPESearch
from pipeline.study import Budget, Objective, TuneJob
from tune_jobs.surfaces import SURFACES

__all__ = ["JOB", "look", "search"]


def look(config: Mapping[str, Any]) -> dict[str, float]:
    """The `value` of a surface at a place, and its `distance` to the nearest minimum.

    Args:
        config: `surface`, `x` and `y`.
    """
    surface, place = SURFACES[config["surface"]], np.array([config["x"], config["y"]])
    return {"value": float(surface.value(place)), "distance": float(surface.distance(place))}


def search(name: str) -> TuneJob:
    """The job for a surface.

    Args:
        name: One of SURFACES.
    """
    return TuneJob(
        name=f"{name}-search",
        description=f"Where is {name.capitalize()}'s function least? 128 places, TPE from the second dozen on",
        function=look,
        space={"surface": name, **SURFACES[name].space},
        objectives=[Objective("value", "min")],
        scheduler=FIFO(),
        searcher=TPESearch(startup=24),
        budget=Budget(trials=128, epochs=1),
    )


JOB = search("beale")
