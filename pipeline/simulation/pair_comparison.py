"""Which of the simulated pairs of scheduler and searcher is best after the budget, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.pareto import dominated_box, hypervolume
from pipeline.simulation.forecast import Forecast, SeedResult

_LEVEL = 0.9


@dataclass(frozen=True, slots=True)
class BestPair:
    """The best of several pairs with one number of workers."""

    best: Forecast
    mean: float
    next: Forecast
    difference: float
    interval: tuple[float, float] | None

    @property
    def separated(self) -> bool:
        """Whether the interval excludes that the next pair is as good."""
        return self.interval is not None and self.interval[0] > 0


def hypervolumes(forecasts: Sequence[Forecast]) -> list[list[float | None]]:
    """The share of a box that the trials of each simulated study dominate at its end."""
    boxes = []
    for results in zip(*(forecast.results for forecast in forecasts), strict=True):
        fronts = [np.array(result.front) for result in results if result.front]
        boxes.append(dominated_box(np.concatenate(fronts)) if fronts else None)
    return [
        [_share(result, box) for result, box in zip(forecast.results, boxes, strict=True)] for forecast in forecasts
    ]


def best_pairs(forecasts: Sequence[Forecast]) -> list[BestPair]:
    """The best pair for each number of workers, by its mean over the seeds after the budget."""
    job = forecasts[0].job
    volumes = hypervolumes(forecasts)
    by_volume = any(share is not None for shares in volumes for share in shares)
    sign = 1.0 if by_volume or job.objective.mode == "max" else -1.0
    values = volumes if by_volume else [[result.best for result in one.results] for one in forecasts]
    found = []
    for workers in dict.fromkeys(forecast.workers for forecast in forecasts):
        complete = [
            (forecast, sign * np.array(of_seeds, np.float64))
            for forecast, of_seeds in zip(forecasts, values, strict=True)
            if forecast.workers == workers and None not in of_seeds
        ]
        if len(complete) < 2:
            continue
        (best, better), (following, worse) = sorted(complete, key=lambda one: -float(one[1].mean()))[:2]
        apart = better - worse
        found.append(BestPair(best, sign * float(better.mean()), following, float(apart.mean()), _interval(apart)))
    return found


def _share(result: SeedResult, box: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None) -> float | None:
    if box is None:
        return None
    if not result.front:
        return 0.0
    ideal, corner = box
    return hypervolume((np.array(result.front) - ideal) / (corner - ideal), np.ones(len(ideal)))


def _interval(apart: npt.NDArray[np.float64]) -> tuple[float, float] | None:
    """Student's interval for the mean of paired differences."""
    if len(apart) < 2:
        return None
    from scipy.stats import t

    mean = float(apart.mean())
    reach = float(t.ppf((1 + _LEVEL) / 2, len(apart) - 1) * apart.std(ddof=1) / np.sqrt(len(apart)))
    return mean - reach, mean + reach
