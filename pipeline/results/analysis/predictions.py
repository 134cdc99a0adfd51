"""The objective at the last epoch along each hyperparameter, as the searcher's model of the curves predicts it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.errors import StorageError
from pipeline.results.analysis.earlier_studies import copied_studies, observations_of
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import ranked
from pipeline.searchers import CurveSearch, History
from pipeline.searchers.base import MAX_OBSERVATIONS
from pipeline.space import Cube, ListedDomain, ParameterPath, drawn_parameters, fitting, key_of
from pipeline.storage.tables import space_of
from pipeline.study import TuneJob

_Reals = npt.NDArray[np.float64]

_PLACES = 20
"""The number of positions along the axis of a number."""

_MAX_CONFIGS, _MIN_CONFIGS = 48, 8
"""The maximum and minimum number of configs over which the other hyperparameters are averaged."""

_POINTS = 5_000
"""About the largest number of predicted configs: with more hyperparameters, each mean is over fewer of them."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The predicted objective along one hyperparameter, averaged over the others (partial dependence)."""

    parameter: ParameterPath
    epoch: int
    mode: str
    values: Sequence[Any]
    medians: _Reals
    lows: _Reals
    highs: _Reals

    @property
    def best(self) -> int:
        """The number of the value with the best median."""
        return int(self.medians.argmax() if self.mode == "max" else self.medians.argmin())

    @property
    def worst(self) -> int:
        """The number of the value with the worst median."""
        return int(self.medians.argmin() if self.mode == "max" else self.medians.argmax())

    @property
    def clear(self) -> bool:
        """Whether the intervals at the best and at the worst value are apart."""
        best, worst = self.best, self.worst
        return bool(self.lows[best] > self.highs[worst] or self.highs[best] < self.lows[worst])


def predictions(results: Results) -> list[Prediction]:
    """The predicted objective at the last epoch along each hyperparameter, in the order of the space.

    The model is the Gaussian process over config and epoch of the searcher `curves`, fitted to the study's trials as
    for its next draw. The other hyperparameters are averaged over configs of the trials. A
    hyperparameter of a branch is averaged over the trials that have it. Of many trials, some are used, so
    that the time does not grow with the study.
    """
    if results.job["searcher"].get("kind") != "curves":
        return []
    searcher, space = CurveSearch(**results.job["searcher"]), space_of(results.study)
    objective, epochs = results.objective, int(results.job["budget"]["epochs"])
    try:
        job = TuneJob.from_json(results.job, load=False) if results.job.get("learn_from") else None
        earlier = copied_studies(results, job) if job else []
    except StorageError:
        return []
    fits = fitting(space)
    tried = [one for one in observations_of(_best_newest_and_others(results), objective, epochs) if fits(one.config)]
    axes = [
        (side, parameter, values)
        for side, parameter in enumerate(drawn_parameters(space))
        if len(values := _values(parameter.domain)) > 1
    ]
    cube, count = Cube(space), sum(len(values) for *_, values in axes)
    most = max(_MIN_CONFIGS, min(_MAX_CONFIGS, _POINTS // max(count, 1)))
    known = cube.units([one.config for one in tried])
    units = (
        _along(known[there], side, [parameter.domain.to_unit(value) for value in values], most)
        for side, parameter, values in axes
        if (there := ~np.isnan(known[:, side])).any()
    )
    losses = np.array(searcher.predicted(space, History(tried, earlier), epochs, units)).reshape(-1, 3)
    if not len(losses):
        return []
    found, start, sign = [], 0, -1.0 if objective.mode == "max" else 1.0
    for side, parameter, values in axes:
        if np.isnan(known[:, side]).all():
            continue
        median, *ends = sign * losses[start : start + len(values)].T
        found.append(
            Prediction(parameter, epochs, objective.mode, values, median, np.minimum(*ends), np.maximum(*ends))
        )
        start += len(values)
    return found


def most_different(found: Sequence[Prediction], most: int) -> list[Prediction]:
    """The predictions that a picture or a table shows: all, or those whose medians differ most."""
    if len(found) <= most:
        return list(found)
    return sorted(found, key=lambda one: -float(one.medians.max() - one.medians.min()))[:most]


def _best_newest_and_others(results: Results) -> Results:
    """The results with as many trials as a searcher uses: all, or the best, the newest and some of the others.

    `History.chosen` would need an observation of each trial.
    """
    trials = results.trials
    if (count := len(trials)) <= MAX_OBSERVATIONS:
        return results
    best = set(ranked(results)[: MAX_OBSERVATIONS // 4])
    chosen = np.array(trials["trial_id"].isin(best), bool)
    chosen[count - MAX_OBSERVATIONS // 4 :] = True
    others = np.flatnonzero(~chosen)
    chosen[others[np.linspace(0, len(others) - 1, MAX_OBSERVATIONS - int(chosen.sum())).astype(int)]] = True
    kept = trials[chosen]
    return replace(results, trials=kept, epochs=results.epochs[results.epochs["trial_id"].isin(kept["trial_id"])])


def _values(domain: Any) -> list[Any]:
    """Each listed value, or values evenly spaced on the domain's scale, each once."""
    if isinstance(domain, ListedDomain):
        return list(domain.values)
    values = [domain.from_unit(float(unit)) for unit in np.linspace(0, 1, _PLACES)]
    return list({key_of(value): value for value in values}.values())


def _along(known: _Reals, side: int, at: Sequence[float], most: int) -> _Reals:
    """For each position on an axis, some of the configs moved there, of shape (places, configs, parameters)."""
    units = known[np.linspace(0, len(known) - 1, min(most, len(known))).astype(int)]
    for column in np.flatnonzero(np.isnan(units).any(axis=0)):
        # Another branch has parameters that a trial lacks: they get values of the trials that have them.
        absent = np.isnan(units[:, column])
        there = units[~absent, column]
        units[absent, column] = np.resize(there, int(absent.sum())) if len(there) else 0.5
    moved = np.repeat(units[None], len(at), axis=0)
    moved[:, :, side] = np.array(at)[:, None]
    return moved
