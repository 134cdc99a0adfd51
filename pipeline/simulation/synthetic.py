"""Learning curves by a formula: configs that matter differently, power laws that cross, noise, late bloomers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.simulation.curves import Curve, Curves
from pipeline.simulation.encoding import Encoding
from pipeline.space import Config
from pipeline.study import TuneJob

__all__ = ["Synthetic"]

_STREAM = 11
"""Keeps curves apart from the study's own draws, which come from the same seed."""

_BEFORE = 0.9
"""The loss of a model that has learned nothing, as the error rate among ten classes."""
_BEST, _SPREAD = 0.02, 0.6
"""The loss that the best config tends to, and how much more the worst does."""
_CHANCE, _NOISE = 0.03, 0.005
"""Deviations of that loss between trials alike, and of each epoch's."""
_LATE = 0.1
"""The share of late bloomers."""


class Synthetic(Curves):
    """Curves of a landscape that the seed makes up.

    A config's final loss grows with the squared distance of each parameter from a best place; few parameters matter
    much, as is usual (Bergstra and Bengio 2012). From epoch to epoch the loss follows a power law, the family that fits
    learning curves best on the whole (Viering and Loog 2023; Domhan et al. 2015 call it pow3): it tends to
    the final loss as (1 + epoch / τ)^−c, with a speed of the trial's own, so that curves cross; each epoch has noise.
    One trial in ten is a late bloomer: it learns nothing for a while, and then more than others.

    Args:
        job: The study's job: its space, its seed, a trial's maximum, and whether more or less is better. To be made
            small is the loss, to be made large 1 − loss.
        seconds_per_epoch: How long an epoch takes on average; trials differ by a quarter.
        seconds_per_start: What a worker needs each time that it begins or goes on with a trial.
    """

    def __init__(self, job: TuneJob, *, seconds_per_epoch: float, seconds_per_start: float) -> None:
        self._seed, self._epochs, self._mode = job.seed, job.budget.epochs, job.objective.mode
        self._seconds, self._start = seconds_per_epoch, seconds_per_start
        self._encoding = Encoding(job.space)
        rng = np.random.default_rng([self._seed, _STREAM])
        places = self._encoding.places
        self._weights = rng.gamma(0.5, size=len(places)) + 1e-3
        self._best = rng.uniform(0.15, 0.85, len(places))
        # Listed values have no order that matters: each gets a place of its own.
        self._listed = {
            at: rng.permutation(len(place.domain.values)) / max(len(place.domain.values) - 1, 1)
            for at, place in enumerate(places)
            if self._encoding.listed[at]
        }

    def curve(self, index: int, segment: int, config: Config) -> Curve:
        """The curve of a config, from (seed, index, segment)."""
        rng = np.random.default_rng([self._seed, index, segment, _STREAM])
        # Weights that were taken over may be as old as a trial gets, and are trained on from there.
        count = self._epochs if segment == 1 else 2 * self._epochs
        final = _BEST + _SPREAD * self._badness(config) + _CHANCE * rng.standard_normal()
        half, power = self._epochs / 10 * rng.lognormal(0, 1.0), rng.uniform(0.8, 1.8)
        pace = rng.lognormal(-0.03, 0.25)
        waits, noise = 0.0, _NOISE * rng.standard_normal(count)
        if rng.random() < _LATE:
            waits, final = rng.uniform(0.1, 0.4) * self._epochs, 0.6 * final
        final = min(max(final, 0.005), _BEFORE)
        tau = half / (2 ** (1 / power) - 1)
        learned = np.maximum(np.arange(1, count + 1) - waits, 0.0)
        loss = final + (_BEFORE - final) * (1 + learned / tau) ** -power
        seen = np.maximum(loss + noise, 0.0)
        values, levels = (1 - seen, 1 - loss) if self._mode == "max" else (seen, loss)
        seconds = [float(self._seconds * pace)] * count
        return Curve(values.tolist(), seconds, self._start, levels.tolist(), count)

    def described(self) -> Mapping[str, Any]:
        """The family, and what an epoch takes."""
        note = (
            "Curves are synthetic: power laws with noise, one trial in ten a late bloomer. They compare schedulers, "
            "searchers and numbers of workers; the values are not your model's."
        )
        return {
            "source": "synthetic",
            "seconds_per_epoch": self._seconds,
            "seconds_per_start": self._start,
            "note": note,
        }

    def _badness(self, config: Config) -> float:
        """How far a config is from the best one, from 0 to 1."""
        row = self._encoding.row(config)
        there = ~np.isnan(row)
        if not there.any():
            return 0.5
        reach = np.maximum(self._best, 1 - self._best)
        apart = ((row - self._best) / reach) ** 2
        for at, worth in self._listed.items():
            if there[at]:
                apart[at] = worth[min(int(row[at] * len(worth)), len(worth) - 1)]
        return float(np.sum(self._weights[there] * apart[there]) / np.sum(self._weights[there]))
