"""Beale's function minimised by five methods of scipy.optimize.minimize, from (4, 4) and within its bounds.

An epoch is an iteration of the method; `evaluations` counts how often it has computed a value or a gradient. Any other
surface is a job file of one line: `JOB = minimise("himmelblau")`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pipeline.schedulers import FIFO
from pipeline.searchers import GridSearch
from pipeline.space import Grid
from pipeline.study import Budget, Objective, TuneJob
from tune_jobs.surfaces import SURFACES

METHODS = {"L-BFGS-B": True, "Nelder-Mead": False, "Powell": False, "SLSQP": True, "TNC": True}
"""SciPy's methods that keep to bounds, and whether they use the gradient."""

_MAX_ITERATIONS = 200


def iterations(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """Minimise a surface from its start."""
    from scipy.optimize import minimize

    surface, asked, found = SURFACES[config["surface"]], [0], []

    def counted(function: Any) -> Any:
        def ask(place: np.ndarray) -> Any:
            asked[0] += 1
            return function(place)

        return ask

    def note(place: np.ndarray) -> None:
        found.append((np.array(place), asked[0]))

    minimize(
        counted(surface.value),
        surface.start,
        method=config["method"],
        jac=counted(surface.gradient) if METHODS[config["method"]] else None,
        bounds=[surface.x, surface.y],
        callback=note,
    )
    for place, evaluations in found:
        yield {
            "value": float(surface.value(place)),
            "distance": float(surface.distance(place)),
            "evaluations": float(evaluations),
            "x": float(place[0]),
            "y": float(place[1]),
        }


def minimise(name: str) -> TuneJob:
    """The job for a surface."""
    return TuneJob(
        name=f"{name}-minimise",
        description=f"SciPy's minimisers on {name.capitalize()}'s function, five methods from one start",
        function=iterations,
        space={"surface": name, "method": Grid(tuple(METHODS))},
        objectives=[Objective("value", "min")],
        scheduler=FIFO(),
        searcher=GridSearch(),
        budget=Budget(trials=len(METHODS), epochs=_MAX_ITERATIONS),
    )


JOB = minimise("beale")
