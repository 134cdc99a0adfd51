"""Functions of two numbers that are known to be hard to minimise: yardsticks for searchers and optimisers.

A function is one entry in SURFACES; the jobs that use them take its name, and their space its bounds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.space import Uniform

_STEP = 1e-30


@dataclass(frozen=True, slots=True)
class Surface:
    """A function of two numbers."""

    function: Callable[[Any, Any], Any]
    x: tuple[float, float]
    y: tuple[float, float]
    minima: Sequence[tuple[float, float]]
    start: tuple[float, float]

    @property
    def space(self) -> Mapping[str, Uniform]:
        """Its two numbers as a space."""
        return {"x": Uniform(*self.x), "y": Uniform(*self.y)}

    def value(self, points: np.ndarray) -> np.ndarray:
        """The function at points, shape (…, 2)."""
        found: np.ndarray = self.function(points[..., 0], points[..., 1])
        return found

    def gradient(self, points: np.ndarray) -> np.ndarray:
        """Its gradient at points, shape (…, 2): by a complex step, exact to the last digits (Squire and Trapp 1998)."""
        x, y = points[..., 0], points[..., 1]
        slopes = [self.function(x + 1j * _STEP, y), self.function(x, y + 1j * _STEP)]
        return np.stack([np.imag(slope) / _STEP for slope in slopes], axis=-1)

    def distance(self, points: np.ndarray) -> np.ndarray:
        """How far points, shape (…, 2), are from the nearest minimum."""
        apart = points[..., None, :] - np.array(self.minima)
        nearest: np.ndarray = np.hypot(apart[..., 0], apart[..., 1]).min(axis=-1)
        return nearest

    def within(self, points: np.ndarray) -> np.ndarray:
        """Places, shape (…, 2), put back within the bounds."""
        inside: np.ndarray = np.clip(points, [self.x[0], self.y[0]], [self.x[1], self.y[1]])
        return inside

    def starts(self, along: int) -> np.ndarray:
        """The start, and the points of an even grid within the bounds, shape (1 + along², 2)."""
        parts = (np.arange(along) + 0.5) / along
        x, y = (low + (high - low) * parts for low, high in (self.x, self.y))
        return np.array([self.start, *((one, other) for one in x for other in y)])


def _beale(x: Any, y: Any) -> Any:
    """Beale 1958: steep walls around a flat valley."""
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def _rosenbrock(x: Any, y: Any) -> Any:
    """Rosenbrock 1960: a bent valley, easy to find and slow to follow."""
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def _himmelblau(x: Any, y: Any) -> Any:
    """Himmelblau 1972: four minima, all as good."""
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def _branin(x: Any, y: Any) -> Any:
    """Branin 1972: three minima, all as good, of about 0.398."""
    return (y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10


def _rastrigin(x: Any, y: Any) -> Any:
    """Rastrigin 1974: a bowl with a hundred dents, each of them its own minimum."""
    return 20 + x**2 + y**2 - 10 * (np.cos(2 * np.pi * x) + np.cos(2 * np.pi * y))


SURFACES = {
    "beale": Surface(_beale, (-4.5, 4.5), (-4.5, 4.5), [(3.0, 0.5)], (4.0, 4.0)),
    "branin": Surface(
        _branin, (-5.0, 10.0), (0.0, 15.0), [(-np.pi, 12.275), (np.pi, 2.275), (3 * np.pi, 2.475)], (9.0, 14.0)
    ),
    "himmelblau": Surface(
        _himmelblau,
        (-5.0, 5.0),
        (-5.0, 5.0),
        [(3.0, 2.0), (-2.805118, 3.131313), (-3.779310, -3.283186), (3.584428, -1.848127)],
        (0.0, 0.0),
    ),
    "rastrigin": Surface(_rastrigin, (-5.12, 5.12), (-5.12, 5.12), [(0.0, 0.0)], (4.2, 3.1)),
    "rosenbrock": Surface(_rosenbrock, (-2.0, 2.0), (-1.0, 3.0), [(1.0, 1.0)], (-1.2, 1.0)),
}
"""Every surface by its name."""
