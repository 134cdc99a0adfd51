"""Learning curves of simulated trials: a curve for each config; synthetic ones are power laws over a landscape."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.space import Config, Cube, ListedDomain, RandomStream, drawn_parameters
from pipeline.study import TuneJob

_Reals = npt.NDArray[np.float64]

_BEFORE = 0.9
"""The loss of an untrained model: the error rate with ten classes."""
_BEST, _SPREAD = 0.02, 0.6
"""The final loss of the best config, and how much higher that of the worst is."""
_CHANCE, _NOISE = 0.03, 0.005
"""Standard deviations of the final loss between trials of one config, and of the loss of each epoch."""
_LATE = 0.1
"""The share of trials that improve late."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The learning curve of one config: the value and the seconds of each epoch, of which the first `known` are known.

    `start` are the seconds before the first, `others` the values of further objectives. At its end a trial fails with
    `failure`, or has `ended` by itself.
    """

    values: Sequence[float]
    seconds: Sequence[float]
    start: float
    known: int
    failure: str | None = None
    ended: bool = False
    others: Mapping[str, Sequence[float]] = field(default_factory=dict)


class CurveSource(ABC):
    """A source of learning curves."""

    @abstractmethod
    def curve(self, index: int, segment: int, config: Config) -> Curve:
        """The curve of a trial's config."""

    @abstractmethod
    def description(self) -> Mapping[str, Any]:
        """The source of the curves, as JSON values; `note` describes it in words."""


class Encoding:
    """A column for each drawn parameter of a space."""

    def __init__(self, space: Mapping[str, Any]) -> None:
        self._cube, self.parameters = Cube(space), drawn_parameters(space)
        self.listed = np.array([isinstance(parameter.domain, ListedDomain) for parameter in self.parameters], bool)

    def rows(self, configs: Sequence[Config]) -> _Reals:
        """Configs as numbers from 0 to 1, one for each drawn parameter; NaN for parameters that one does not have."""
        return self._cube.units(configs)

    def distances(self, row: _Reals, rows: _Reals) -> _Reals:
        """Distances of a config from others: Gower's distance (1971), squared for numbers; 0 for the same config."""
        distances = (rows - row) ** 2
        distances[:, self.listed] = rows[:, self.listed] != row[self.listed]
        present, others = ~np.isnan(row), ~np.isnan(rows)
        # A parameter that only one of them has counts as fully different; one that neither has does not count.
        distances[present != others] = 1.0
        distances[~present & ~others] = 0.0
        total: _Reals = distances.sum(axis=1)
        return total


class SyntheticCurves(CurveSource):
    """Learning curves of a landscape that the seed determines.

    A config's final loss grows with the squared distance of each parameter from its best value; a few parameters matter
    much, as is usual (Bergstra and Bengio 2012). Over the epochs the loss follows a power law, the family that fits
    learning curves best overall (Viering and Loog 2023; Domhan et al. 2015 call it pow3): it approaches the final loss
    as (1 + epoch / τ)^−c, at a speed that differs between trials, so curves cross; each epoch has noise. One trial in
    ten improves late: it learns nothing for a while, and then more than others. Each additional objective is a cost
    of the config, known from the first epoch and lowest opposite to the best config.
    """

    def __init__(self, job: TuneJob, *, seconds_per_epoch: float, seconds_per_start: float) -> None:
        self._seed, self._epochs, self._mode = job.seed, job.budget.epochs, job.objective.mode
        self._seconds, self._start = seconds_per_epoch, seconds_per_start
        self._encoding = Encoding(job.space)
        rng = np.random.default_rng([self._seed, RandomStream.SYNTHETIC_CURVES])
        parameters = self._encoding.parameters
        self._weights = rng.gamma(0.5, size=len(parameters)) + 1e-3
        self._best = rng.uniform(0.15, 0.85, len(parameters))
        self._others = job.objectives[1:]
        # The order of listed values has no meaning: each gets a random distance.
        self._listed = {
            index: rng.permutation(len(parameter.domain.values)) / max(len(parameter.domain.values) - 1, 1)
            for index, parameter in enumerate(parameters)
            if self._encoding.listed[index]
        }

    def curve(self, index: int, segment: int, config: Config) -> Curve:
        """The curve of a config, determined by (seed, index, segment)."""
        rng = np.random.default_rng([self._seed, index, segment, RandomStream.SYNTHETIC_CURVES])
        # Weights that were taken over may have a trial's maximum age already, and train further.
        count = self._epochs if segment == 1 else 2 * self._epochs
        final = _BEST + _SPREAD * self._distance_from(self._best, config) + _CHANCE * rng.standard_normal()
        half, power = self._epochs / 10 * rng.lognormal(0, 1.0), rng.uniform(0.8, 1.8)
        slowness = rng.lognormal(-0.03, 0.25)
        waits, noise = 0.0, _NOISE * rng.standard_normal(count)
        if rng.random() < _LATE:
            waits, final = rng.uniform(0.1, 0.4) * self._epochs, 0.6 * final
        final = min(max(final, 0.005), _BEFORE)
        tau = half / (2 ** (1 / power) - 1)
        learned = np.maximum(np.arange(1, count + 1) - waits, 0.0)
        loss = final + (_BEFORE - final) * (1 + learned / tau) ** -power
        seen = np.maximum(loss + noise, 0.0)
        values = 1 - seen if self._mode == "max" else seen
        seconds = [float(self._seconds * slowness)] * count
        cost = _BEST + _SPREAD * self._distance_from(1 - self._best, config) if self._others else 0.0
        others = {one.metric: [1 - cost if one.mode == "max" else cost] * count for one in self._others}
        return Curve(values.tolist(), seconds, self._start, count, others=others)

    def description(self) -> Mapping[str, Any]:
        """The family of the curves, and the duration of an epoch."""
        note = (
            "Curves are synthetic: power laws with noise; one trial in ten improves late. Use them to compare "
            "schedulers, searchers and numbers of workers; the values say nothing about your model."
        )
        return {
            "source": "synthetic",
            "seconds_per_epoch": self._seconds,
            "seconds_per_start": self._start,
            "note": note,
        }

    def _distance_from(self, best: _Reals, config: Config) -> float:
        """The distance of a config from the best one, from 0 to 1."""
        row = self._encoding.rows([config])[0]
        present = ~np.isnan(row)
        if not present.any():
            return 0.5
        reach = np.maximum(best, 1 - best)
        distances = ((row - best) / reach) ** 2
        for index, of_value in self._listed.items():
            if present[index]:
                distances[index] = of_value[min(int(row[index] * len(of_value)), len(of_value) - 1)]
        return float(np.sum(self._weights[present] * distances[present]) / np.sum(self._weights[present]))
