"""Bayesian optimisation over whole learning curves: early epochs predict the value of a config at the last epoch."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline.searchers.base import Observation, SearcherSettings, Suggestion, chance
from pipeline.searchers.curve_process import CurveProcess, Points, Posterior, Reals
from pipeline.searchers.earlier import EarlierStudy, joined, points_of
from pipeline.searchers.history import MOST, History
from pipeline.searchers.known_points import KnownPoints, curve_of
from pipeline.space import Config, draw, drawn_parameters, key_of
from pipeline.space.cube import Cube
from pipeline.space.values import Count

__all__ = ["CurveSearch"]

_RANDOM_EVERY = 4
"""Every fourth config is random, so that a wrong model is noticed."""

_MOST, _MOST_FITTED = 500, 220
"""Most points that the process is conditioned on, and that its parameters are fitted to: the cost is cubic."""

_EARLIER, _EARLIER_FITTED = 160, 100
"""Most of these points that are of earlier studies."""

_JUDGED = 4
"""The number of trials with values from which on an earlier study may be found not to count."""

_STEPS, _GROWTH = 12, 1.2
"""The optimiser's steps, and the growth of the number of trials after which the parameters are fitted again."""

_ROOT_TAU = math.sqrt(2 * math.pi)

_LOOKED_UP = 10
"""The number of candidates that are evaluated as configs: rounding moves integers away from their places"""


@dataclass(frozen=True)
class CurveSearch(SearcherSettings):
    """Models the objective over the space and the epochs, and draws the config with the largest expected improvement.

    The improvement is that at the last epoch. Made for schedulers that stop trials early: it learns from every
    milestone, and a running trial counts with the value that the model expects. Every fourth config is random.

    Args:
        startup: Number of random configs at the start, the same as those of random search.
        candidates: Number of random configs among which the largest expected improvement is searched.
    """

    startup: Count = 6
    candidates: Count = 400
    learns: ClassVar[bool] = True
    learns_from_studies: ClassVar[bool] = True

    kind: Literal["curves"] = field(default="curves", repr=False)

    def draw(
        self, space: Mapping[str, Any], *, seed: int, index: int, observations: Iterable[Observation] = ()
    ) -> Config:
        """A config by the process, for the last epoch that any trial has reached."""
        before = list(observations)
        last = max((epoch for one in before for epoch, _ in one.curve), default=1)
        return self.suggest(space, seed=seed, index=index, observations=before, epochs=last).config

    def suggest(
        self, space: Mapping[str, Any], *, seed: int, index: int, observations: Iterable[Observation], epochs: int
    ) -> Suggestion:
        """A config by the process, with the improvement that it expects at the last epoch."""
        rng, history = chance(seed, index), History.of(observations)
        before = history.chosen(best=MOST // 4, newest=MOST // 4)
        if index % _RANDOM_EVERY == _RANDOM_EVERY - 1:
            return Suggestion(draw(space, rng, index), "Random, as every fourth config is.")
        few = sum(bool(curve_of(one, epochs)) for one in before) < self.startup
        if (few and not history.earlier) or not drawn_parameters(space):
            return Suggestion(draw(space, rng, index), f"Random, as the first {self.startup} configs are.")
        if few and index % 2:
            # Values of configs that no earlier study has recommended show how much those studies say.
            text = f"Random, as every other one of the first {self.startup} configs is."
            return Suggestion(draw(space, rng, index), text)
        if few and not any(self.factors(space, history, history.earlier, epochs)):
            text = f"Random, as the first {self.startup} configs are where earlier studies do not count."
            return Suggestion(draw(space, rng, index), text)
        # Matrices of this size gain nothing from threads, which the trials need.
        with _threads().limit(limits=1):
            return self._best(space, before, _at_last_fit(history), history.earlier, epochs, rng)

    def factors(
        self,
        space: Mapping[str, Any],
        observations: Iterable[Observation],
        earlier: Sequence[EarlierStudy],
        epochs: int,
    ) -> list[float]:
        """How much each earlier study counts, by what was tried: from 0, nothing, to 1, as much as the study's own.

        Args:
            space: The space.
            observations: What was tried, in the order of the trials.
            earlier: The earlier studies.
            epochs: The maximum epochs of a trial.
        """
        with _threads().limit(limits=1):
            return _fitted(Cube(space), _at_last_fit(History.of(observations)), earlier, epochs).factors

    def _best(
        self,
        space: Mapping[str, Any],
        before: Sequence[Observation],
        at_last_fit: Sequence[Observation],
        earlier: Sequence[EarlierStudy],
        epochs: int,
        rng: np.random.Generator,
    ) -> Suggestion:
        """The config of the largest expected improvement at the last epoch."""
        cube = Cube(space)
        model = _Model(cube, before, at_last_fit, earlier, epochs)
        # No neighbours of good configs among the candidates: they would nearly always win, and be no better than those.
        units = rng.random((self.candidates, cube.sides))
        order = np.argsort(-model.gains(cube.points(units)), kind="stable")
        found = _untried((cube.config(unit) for unit in units[order]), before)
        # If all of them were tried, the best one is the draw.
        configs = list(islice(found, _LOOKED_UP)) or [cube.config(units[order[0]])]
        # A whole number stands for a part of the cube: the best candidates are evaluated again in the middle of it.
        points = cube.points(cube.units(configs))
        place = int(np.argmax(model.gains(points)))
        return Suggestion(configs[place], model.reason(points[[place]], epochs))


def _untried(configs: Iterable[Config], before: Iterable[Observation]) -> Iterator[Config]:
    """The configs that were not tried, each once."""
    keys = {key_of(one.config) for one in before}
    for config in configs:
        if (key := key_of(config)) not in keys:
            keys.add(key)
            yield config


class _Model:
    """The process, fitted to what was tried.

    Args:
        cube: The space.
        before: What was tried; at least one trial, or an earlier study, has a loss.
        at_last_fit: What the process' parameters are fitted to.
        earlier: Earlier studies.
        epochs: A trial's maximum.
    """

    def __init__(
        self,
        cube: Cube,
        before: Sequence[Observation],
        at_last_fit: Sequence[Observation],
        earlier: Sequence[EarlierStudy],
        epochs: int,
    ) -> None:
        fit = _fitted(cube, at_last_fit, earlier, epochs)
        self._before, self._earlier = before, [earlier[number] for number in fit.counted]
        known = _known(cube, before, epochs, _MOST - _EARLIER * bool(fit.counted))
        self._scale = None if known is None else known.scale
        self._process, self._theta = CurveProcess(cube.groups, len(fit.counted)), fit.theta
        self._at, values = joined(known, points_of(cube, self._earlier, epochs, _EARLIER), len(before))
        running = [trial for trial, one in enumerate(before) if one.state == "open"]
        believed = None
        if running:
            points = cube.points(cube.units([before[trial].config for trial in running]))
            believed = Points(points, np.ones(len(running)), np.array(running))
        self._posterior = Posterior(self._process, self._theta, self._at, values, believed)

    def gains(self, points: Reals) -> Reals:
        """The expected improvement at the last epoch, on the process' scale (Jones et al. 1998).

        Before this study's first value, whose scale is not known then, minus the expected value.
        """
        from scipy.special import ndtr

        mean, std = self._posterior.predict(_at_end(points))
        if self._scale is None:
            return -mean
        better = (self._scale.least - mean) / std
        found: Reals = std * (better * ndtr(better) + np.exp(-0.5 * better**2) / _ROOT_TAU)
        return found

    def reason(self, point: Reals, epochs: int) -> str:
        """Why a config is drawn: the improvement in units of the loss, and the trial with the largest covariance.

        Args:
            point: The config.
            epochs: A trial's maximum.
        """
        at = _at_end(point)
        nearest = int(np.argmax(self._process.covariance(self._theta, at, self._at)[0]))
        study = int(self._at.studies[nearest])
        name = "" if study else self._before[self._at.trial[nearest]].trial_id
        where = f" near trial {name}" if name else f" near a trial of {self._earlier[study - 1].name}" if study else ""
        if self._scale is None:
            return f"Best by what earlier studies have found,{where}."
        mean, std = self._posterior.predict(at)
        gain = self._scale.expected(float(mean[0]), float(std[0]))
        return f"Expected improvement {gain:.2g} at epoch {epochs}{where}."


@dataclass(frozen=True, slots=True)
class _Fit:
    """The parameters of the process.

    Args:
        theta: The parameters.
        counted: The numbers of the earlier studies that count, from 0.
        factors: How much each earlier study counts, from 0 to 1.
    """

    theta: Reals
    counted: Sequence[int]
    factors: list[float]


def _fitted(cube: Cube, first: Sequence[Observation], earlier: Sequence[EarlierStudy], epochs: int) -> _Fit:
    """The parameters of the process, and which earlier studies count.

    A study counts as long as the values of this one are at least as likely beside its values as alone. Its factor alone
    does not protect from one that misleads, because they share length scales and variances.
    """
    valued = sum(bool(curve_of(one, epochs)) for one in first)
    if not earlier:
        known = _known(cube, first, epochs, _MOST_FITTED)
        return _Fit(_fit_to(cube, known, [], len(first)) if known else CurveProcess(cube.groups).prior, (), [])
    own = _known(cube, first, epochs, _MOST_FITTED - _EARLIER_FITTED)
    others = points_of(cube, earlier, epochs, _EARLIER_FITTED)
    counted = list(range(len(earlier)))
    if own is not None and valued >= _JUDGED:
        alone = _surprise(cube, own, [], len(first))
        counted = [
            number
            for number, other in enumerate(others)
            if _surprise(cube, own, [other], len(first)) - _surprise(cube, None, [other], len(first), own) <= alone
        ]
    if not counted:
        return replace(_fitted(cube, first, (), epochs), factors=[0.0] * len(earlier))
    theta = _fit_to(cube, own, [others[number] for number in counted], len(first))
    factors = np.zeros(len(earlier))
    factors[counted] = CurveProcess(cube.groups, len(counted)).alike(theta)
    return _Fit(theta, counted, factors.tolist())


def _surprise(
    cube: Cube,
    own: KnownPoints | None,
    others: Sequence[KnownPoints],
    trials: int,
    fitted_to: KnownPoints | None = None,
) -> float:
    """Minus the logarithm of the likelihood of values, with the parameters that are fitted to them.

    Args:
        cube: The space.
        own: The points of this study, if they are asked about.
        others: Those of earlier ones.
        trials: The number of this study's trials.
        fitted_to: Points of this study to which the parameters are fitted, besides; `own` unless given.
    """
    theta = _fit_to(cube, own if fitted_to is None else fitted_to, others, trials)
    at, values = joined(own, others, trials)
    parts = (theta, cube.groups, at.x, at.t, at.trial, values, at.studies)
    return _surprise_at(len(others), *(part.tobytes() for part in parts))


def _fit_to(cube: Cube, own: KnownPoints | None, others: Sequence[KnownPoints], trials: int) -> Reals:
    """The parameters for the points of this study and of earlier ones."""
    at, values = joined(own, others, trials)
    parts = (cube.groups, at.x, at.t, at.trial, values, at.studies)
    return _fit(len(others), *(part.tobytes() for part in parts))


def _known(cube: Cube, before: Sequence[Observation], epochs: int, most: int) -> KnownPoints | None:
    """The points of this study's trials; None if none has a loss."""
    return KnownPoints.of(cube, before, epochs, most) if any(curve_of(one, epochs) for one in before) else None


def _at_last_fit(history: History) -> Sequence[Observation]:
    """The trials that existed when their number last reached the next size; of many, an even sample."""
    count = 2
    while math.ceil(count * _GROWTH) <= len(history):
        count = math.ceil(count * _GROWTH)
    if count <= MOST:
        return history[:count]
    return [history[number] for number in np.linspace(0, count - 1, MOST).astype(int)]


@lru_cache(maxsize=1)
def _threads() -> Any:
    """The controller that limits threads, cached because finding the libraries takes longer than a draw."""
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@lru_cache(maxsize=32)
def _fit(earlier: int, groups: bytes, x: bytes, t: bytes, trial: bytes, values: bytes, study: bytes) -> Reals:
    """The parameters for the data, cached because every draw needs them."""
    shares, axes = np.frombuffer(t), np.frombuffer(groups, np.int64)
    trials, studies = np.frombuffer(trial, np.int64), np.frombuffer(study, np.int64)
    at = Points(np.frombuffer(x).reshape(len(shares), -1), shares, trials, studies)
    return CurveProcess(axes, earlier).fit(at, np.frombuffer(values), _STEPS)


@lru_cache(maxsize=64)
def _surprise_at(
    earlier: int, theta: bytes, groups: bytes, x: bytes, t: bytes, trial: bytes, values: bytes, study: bytes
) -> float:
    """Minus the logarithm of the likelihood of the data, cached because every draw needs it."""
    shares, axes = np.frombuffer(t), np.frombuffer(groups, np.int64)
    trials, studies = np.frombuffer(trial, np.int64), np.frombuffer(study, np.int64)
    at = Points(np.frombuffer(x).reshape(len(shares), -1), shares, trials, studies)
    return CurveProcess(axes, earlier).surprise(np.frombuffer(theta), at, np.frombuffer(values))


def _at_end(points: Reals) -> Points:
    """Points of new trials at their last epoch."""
    return Points(points, np.ones(len(points)), np.full(len(points), -1))
