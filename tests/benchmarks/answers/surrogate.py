"""Smooth learning curves: a model of the recorded ones, so that neighbours of a config learn a little differently."""

import zlib
from typing import Any

import numpy as np

from pipeline.simulation.curves import Curve
from pipeline.space import Config
from tests.benchmarks.answers.tables import Table

_COEFFICIENTS = 4
"""Principal components of the curves; they keep 95 to 99% of the variance."""
_NETWORKS, _WIDTH, _DECAY, _STEPS = 4, 64, 0.3, 200
"""The networks, whose mean predicts; the units of both of their layers; their weight decay; the steps of L-BFGS."""
_OFFSET, _FAR = 0.1, 10.0
"""A loss is seen as the logarithm of its distance from the best in units of the median config's, plus an offset."""
_ALIKE = 10
"""The rest of a config's curve is taken from one of this many recorded configs with the nearest predicted curves."""
_DRAWN = 2000
"""The number of random configs among which the best and the median one are looked up."""


class Surrogate(Table):
    """A study's curves as neural networks predict them from the config, each with the rest of a recorded curve.

    Networks, because they are smooth, and because none of the searchers models the space with them.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._lowest = float(self.losses.min())
        self._unit = max(float(np.median(self.losses.min(axis=1))) - self._lowest, 1e-12)
        seen = np.log(np.clip((self.losses - self._lowest) / self._unit, 0.0, _FAR) + _OFFSET)
        self._mean = seen.mean(axis=0)
        self._parts = np.linalg.svd(seen - self._mean, full_matrices=False)[2][:_COEFFICIENTS]
        configs = [self.config(number) for number in range(len(self.losses))]
        points = self._cube.points(self._cube.units(configs))
        coefficients = (seen - self._mean) @ self._parts.T
        self._size = float(coefficients[:, 0].std())
        self._networks = [self._fitted(points, coefficients / self._size, number) for number in range(_NETWORKS)]
        self._coefficients = self._predicted(points)
        self._rest = seen - self._mean - self._coefficients @ self._parts
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        units = rng.random((_DRAWN, self._cube.sides))
        self.losses = np.array(
            [self._losses(*pair) for pair in zip(self._predicted(self._cube.points(units)), units, strict=True)]
        )

    def curve(self, index: int, segment: int, config: Config) -> Curve:
        """The predicted one, with the rest of a recorded one that the config determines."""
        unit = self._cube.units([config])
        values = self._losses(self._predicted(self._cube.points(unit))[0], unit[0]).tolist()
        return Curve(values, [1.0] * len(values), 0.0, len(values))

    def _losses(self, coefficients: np.ndarray, unit: np.ndarray) -> np.ndarray:
        apart = ((self._coefficients - coefficients) ** 2).sum(axis=1)
        alike = np.argpartition(apart, _ALIKE)[:_ALIKE]
        rest = self._rest[alike[zlib.crc32(np.round(unit, 9).tobytes()) % _ALIKE]]
        return self._unseen(self._mean + coefficients @ self._parts + rest)

    def _unseen(self, seen: np.ndarray) -> np.ndarray:
        losses: np.ndarray = self._lowest + self._unit * (np.exp(seen) - _OFFSET)
        return losses

    def _predicted(self, points: np.ndarray) -> np.ndarray:
        predictions = [network.predict(2 * points - 1) for network in self._networks]
        found: np.ndarray = np.mean(predictions, axis=0) * self._size
        return found

    def _fitted(self, points: np.ndarray, coefficients: np.ndarray, number: int) -> Any:
        from sklearn.neural_network import MLPRegressor

        network = MLPRegressor(
            hidden_layer_sizes=(_WIDTH, _WIDTH),
            activation="tanh",
            solver="lbfgs",
            alpha=_DECAY,
            max_iter=_STEPS,
            random_state=number,
        )
        return network.fit(2 * points - 1, coefficients)
