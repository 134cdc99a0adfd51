"""Configs as points, and a Gaussian process over them, shared by the searchers and schedulers that learn."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.space.base import ListedDomain
from pipeline.space.cube import Cube
from pipeline.space.space import compose
from pipeline.space.values import Config, Value
from pipeline.space.walk import ParameterPath

__all__ = ["NEIGHBOUR_STEPS", "best_nearby", "fitted_process", "near", "vectors"]

NEIGHBOUR_STEPS = (0.1, 0.02)
"""Distances at which neighbours of good configs are drawn, as shares of a parameter's range."""

_BEST = 4
"""Number of configs whose neighbours are drawn."""

_ITERATIONS = 30
"""Limit of iterations when length scales are fitted, so that a draw takes a short time."""


def vectors(space: Mapping[str, Any], configs: Sequence[Config]) -> npt.NDArray[np.float64]:
    """Configs as points: the quantile of each number, 0.5 if it is absent, and an axis for each value of a choice.

    Args:
        space: The space.
        configs: The configs.

    Returns:
        Numbers from 0 to 1, of shape (configs, axes).
    """
    cube = Cube(space)
    return cube.points(cube.units(configs))


def near(space: Mapping[str, Any], config: Config, step: float, rng: np.random.Generator) -> Config:
    """A neighbour of a config: numbers move by a normal step, and one in ten listed values is drawn again.

    Args:
        space: The space.
        config: The config.
        step: Standard deviation of the step, as a share of each parameter's range.
        rng: The source of randomness.
    """

    def pick(parameter: ParameterPath) -> Value:
        if not parameter.there(config):
            return parameter.domain.draw(rng)  # type: ignore[no-any-return]
        value = config[parameter.name]
        if isinstance(parameter.domain, ListedDomain):
            return parameter.domain.draw(rng) if rng.random() < 0.1 else value
        unit = parameter.domain.to_unit(value) + step * rng.normal()
        return parameter.domain.from_unit(min(max(unit, 0.0), 1.0))  # type: ignore[no-any-return]

    return compose(space, pick)


def best_nearby(
    space: Mapping[str, Any],
    candidates: Sequence[Config],
    best: Sequence[Config],
    score: Callable[[Sequence[Config]], npt.NDArray[np.float64]],
    *,
    neighbours: int,
    rng: np.random.Generator,
) -> Config:
    """The config with the highest score among candidates and neighbours of the best ones.

    Args:
        space: The space.
        candidates: Configs to compare.
        best: The configs whose neighbours are drawn first.
        score: Returns one score for each config, more is better; of equal ones the earlier config counts.
        neighbours: How many are drawn at each distance.
        rng: The source of randomness.
    """
    for step in NEIGHBOUR_STEPS:
        drawn = [near(space, best[number % len(best)], step, rng) for number in range(neighbours)]
        compared = [*candidates, *drawn]
        order = np.argsort(-score(compared), kind="stable")
        best = candidates = [compared[number] for number in order[:_BEST]]
    return best[0]


def fitted_process(points: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> Any:
    """A Gaussian process of scikit-learn with a length scale for each axis, fitted to noisy values.

    Args:
        points: One row each, about 0 to 1 on each axis.
        values: One value each, with mean 0 and standard deviation 1.

    Returns:
        A fitted `GaussianProcessRegressor`.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import Matern, WhiteKernel

    kernel = Matern(np.full(points.shape[1], 0.5), (0.05, 20.0), nu=2.5) + WhiteKernel(1e-3, (1e-6, 1.0))
    process = GaussianProcessRegressor(kernel, alpha=1e-8, optimizer=_fit_scales)
    with warnings.catch_warnings():
        # A length scale at its bound means that the parameter does not matter.
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(points, values)
    return process


def _fit_scales(loss: Any, start: npt.NDArray[np.float64], bounds: npt.NDArray[np.float64]) -> tuple[Any, Any]:
    from scipy.optimize import minimize

    optimum = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _ITERATIONS})
    return optimum.x, optimum.fun
