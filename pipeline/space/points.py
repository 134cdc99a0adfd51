"""Configs as points, and a Gaussian process over them: what the searchers and schedulers that learn share."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.space.choices import Choice, Grid
from pipeline.space.domains import Switch
from pipeline.space.space import compose
from pipeline.space.values import Config, Scalar
from pipeline.space.walk import Place, walk

__all__ = ["fitted_process", "near", "vector", "vectors"]

_ITERATIONS = 30
"""Of fitting the process' length scales: a draw should not take longer than it is worth."""


def vector(space: Mapping[str, Any], config: Config) -> list[float]:
    """A config as a point: each number's place from 0 to 1, the middle where it is absent; an axis for each choice."""
    return vectors(space, [config])[0]


def vectors(space: Mapping[str, Any], configs: Iterable[Config]) -> list[list[float]]:
    """Configs as points, each as `vector` has it."""
    places = [place for place in walk(space) if place.drawn]
    return [[axis for place in places for axis in _axes(place, config)] for config in configs]


def _axes(place: Place, config: Config) -> list[float]:
    there = place.there(config)
    if isinstance(place.domain, Choice | Grid | Switch):
        chosen = place.domain.values.index(config[place.name]) if there else None
        return [float(number == chosen) for number in range(len(place.domain.values))]
    return [place.domain.unit(config[place.name]) if there else 0.5]


def near(space: Mapping[str, Any], config: Config, step: float, rng: np.random.Generator) -> Config:
    """A neighbour: numbers a step away, one in ten listed values drawn anew."""

    def pick(place: Place) -> Scalar:
        if not place.there(config):
            return place.domain.draw(rng)  # type: ignore[no-any-return]
        value = config[place.name]
        if isinstance(place.domain, Choice | Grid | Switch):
            return place.domain.draw(rng) if rng.random() < 0.1 else value
        unit = place.domain.unit(value) + step * rng.normal()
        return place.domain.at(min(max(unit, 0.0), 1.0))  # type: ignore[no-any-return]

    return compose(space, pick)


def fitted_process(points: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> Any:
    """A Gaussian process of scikit-learn's, a length scale for each axis, fitted to noisy values.

    Args:
        points: One row each, about 0 to 1 on each axis.
        values: Of mean 0 and standard deviation 1.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import Matern, WhiteKernel

    kernel = Matern(np.full(points.shape[1], 0.5), (0.05, 20.0), nu=2.5) + WhiteKernel(1e-3, (1e-6, 1.0))
    process = GaussianProcessRegressor(kernel, alpha=1e-8, optimizer=_fit_scales)
    with warnings.catch_warnings():
        # A scale at its bound says that a parameter does not matter.
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(points, values)
    return process


def _fit_scales(loss: Any, start: npt.NDArray[np.float64], bounds: npt.NDArray[np.float64]) -> tuple[Any, Any]:
    from scipy.optimize import minimize

    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _ITERATIONS})
    return found.x, found.fun
