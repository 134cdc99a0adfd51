"""Bayesian optimisation with a Gaussian process (Jones et al. 1998, Snoek et al. 2012)."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from pipeline.machine import one_thread
from pipeline.searchers.base import (
    LARGEST_LOSS,
    MAX_OBSERVATIONS,
    History,
    Observation,
    SearcherSettings,
    Suggestion,
    draw_generator,
)
from pipeline.searchers.one_rung import EARLY, at_one_rung, is_random, losses
from pipeline.space import Config, Count, Cube, draw, drawn_parameters
from pipeline.space.cube import best_nearby
from pipeline.space.gaussian_process import GaussianProcess

_Reals = npt.NDArray[np.float64]

_MAX_TRIALS = 200
"""Number of trials that the process is fitted to, the best and the newest: the cost is cubic."""

_FEW_RUNNING = 8
_RANDOM_EVERY = 4
"""With more running trials than `_FEW_RUNNING`, every fourth config is random: many are drawn before a wrong model is
noticed."""

_MANY = "Drawn at random, like every fourth config while many trials run."

_MAX_BELIEVED = 200
"""Number of running trials that lower the deviation of the process: where others run, it expects less in any case."""


@dataclass(frozen=True)
class GPSearch(SearcherSettings):
    """Models the objective over the space and takes the config with the largest expected improvement.

    For few, expensive trials, up to some hundreds. As long as trials are compared before their last epoch, every second
    config is drawn at random. Running trials count with the loss that the process expects of them, a "kriging believer"
    (Ginsbourger et al. 2010, "Kriging is well-suited to parallelize optimization"): they change no mean, and lower the
    deviation around them (GP-BUCB, Desautels et al. 2014). While more than eight trials run, every fourth config is
    random.

    Args:
        startup: Number of configs that are drawn at random first, as in random search.
        candidates: Number of configs among which the largest expected improvement is searched.
    """

    title: ClassVar[str] = "a Gaussian process"
    learns: ClassVar[bool] = True

    startup: Count = 8
    candidates: Count = 1000

    kind: Literal["gp"] = field(default="gp", repr=False)

    def suggest(
        self, space: Mapping[str, Any], *, seed: int, index: int, observations: Iterable[Observation], epochs: int
    ) -> Suggestion:
        learned = History.of(observations).chosen(best=MAX_OBSERVATIONS // 2, newest=MAX_OBSERVATIONS // 2)
        rng, before = draw_generator(seed, index), at_one_rung(space, learned, epochs=epochs, startup=self.startup)
        if sum(one.state == "known" for one in before) < self.startup or not drawn_parameters(space):
            return Suggestion(draw(space, rng, index))
        if is_random(space, learned, index=index, epochs=epochs, startup=self.startup):
            return Suggestion(draw(space, rng, index), EARLY)
        running = [one.config for one in before if one.state == "open"]
        if len(running) > _FEW_RUNNING and index % _RANDOM_EVERY == _RANDOM_EVERY - 1:
            return Suggestion(draw(space, rng, index), _MANY)
        known = _best_and_newest(losses(before))
        cube = Cube(space)
        units = cube.units([config for config, _ in known])
        best = units[np.argsort([loss for _, loss in known], kind="stable")[:4]]
        candidates = rng.random((self.candidates, cube.sides))
        with one_thread():
            believed = cube.points(cube.units(running))
            improvement = _improvement(cube.points(units), np.array([loss for _, loss in known]), believed)
            config = best_nearby(
                cube,
                candidates,
                best,
                lambda places: improvement(cube.points(places)),
                neighbours=self.candidates // 4,
                rng=rng,
            )
        return Suggestion(config)


def _best_and_newest(known: list[tuple[Config, float]]) -> list[tuple[Config, float]]:
    if len(known) <= _MAX_TRIALS:
        return known
    newest, older = known[-_MAX_TRIALS // 2 :], known[: -_MAX_TRIALS // 2]
    return sorted(older, key=lambda one: one[1])[: _MAX_TRIALS // 2] + newest


def _improvement(points: _Reals, losses: _Reals, believed: _Reals) -> Callable[[_Reals], _Reals]:
    """The expected improvement as a function of points, in standard deviations of the losses."""
    losses = np.clip(losses, -LARGEST_LOSS, LARGEST_LOSS)
    # Without a limit, one diverged trial would dominate the fit.
    middle = np.median(losses)
    losses = np.minimum(losses, middle + 3 * (middle - losses.min()) + 1e-12)
    losses = (losses - losses.mean()) / (losses.std() or 1.0)
    process, least = GaussianProcess.fit(points, losses), losses.min()
    if not len(believed):
        return lambda at: _gained(least, *process.predict(at))
    if len(believed) > _MAX_BELIEVED:
        # A config is drawn only where much is expected, so these are the ones that it may repeat.
        order = np.argsort(-_gained(least, *process.predict(believed)), kind="stable")
        believed = believed[order[:_MAX_BELIEVED]]
    least = min(least, process.mean(believed).min())
    deviation_of = process.over(np.vstack([points, believed]))

    def improvement(at: _Reals) -> _Reals:
        # Noise does not shrink where trials run, and would draw further ones there.
        variance = deviation_of.predict(at)[1] ** 2 - process.noise
        return _gained(least, process.mean(at), np.sqrt(np.maximum(variance, 0.0)))

    return improvement


def _gained(least: float, mean: _Reals, deviation: _Reals) -> _Reals:
    """The expected improvement on the least loss."""
    from scipy.special import ndtr

    better = (least - mean) / np.maximum(deviation, 1e-9)
    gained: _Reals = deviation * (better * ndtr(better) + np.exp(-0.5 * better**2) / math.sqrt(2 * math.pi))
    return gained
