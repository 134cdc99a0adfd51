"""Recorded learning curves: what a simulated trial of a config learns."""

import zlib
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from pipeline.simulation.curves import Curve, CurveSource
from pipeline.space import Config, Cube, draw
from tests.benchmarks.answers.studies import STUDIES

_FOLDER = Path(__file__).parent / "tables"


class Table(CurveSource):
    """A study's recorded curves: a config learns as the recorded one that is nearest to it, a second an epoch."""

    def __init__(self, name: str) -> None:
        self.name, self.study = name, STUDIES[name]
        columns = pq.read_table(_FOLDER / f"{name}.parquet").to_pandas()
        self.losses = columns.to_numpy(np.float64)
        self._cube = Cube(self.study.space)
        self._units = self._cube.units([self.config(number) for number in range(len(self.losses))])

    def config(self, number: int) -> Config:
        """The recorded config of that number."""
        rng = np.random.default_rng([zlib.crc32(self.name.encode()), number])
        return draw(self.study.space, rng, number)

    def curve(self, index: int, segment: int, config: Config) -> Curve:
        """The nearest recorded one's."""
        distances = self._cube.distances(self._cube.units([config])[0], self._units)
        values = self.losses[int(np.argmin(distances))].tolist()
        return Curve(values, [1.0] * len(values), 0.0, len(values))

    @cached_property
    def best(self) -> float:
        """The best value of all: regret 0."""
        return float(self.losses.min())

    @cached_property
    def middle(self) -> float:
        """The best value of the median config: regret 1."""
        return float(np.median(self.losses.min(axis=1)))

    def regret(self, value: float) -> float:
        """How far a value is from the best, in parts of the median config's distance."""
        return (value - self.best) / max(self.middle - self.best, 1e-12)
