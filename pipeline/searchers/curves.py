"""Bayesian optimisation with a Gaussian process: over whole learning curves, or over configs at one epoch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar, Literal

import numpy as np

from pipeline.machine import one_thread
from pipeline.searchers.base import (
    MAX_OBSERVATIONS,
    AnySpace,
    History,
    Observation,
    SearcherSettings,
    Suggestion,
    draw_generator,
    units_of,
)
from pipeline.searchers.curve_model import CurveModel, curve_of
from pipeline.searchers.curve_process import Reals
from pipeline.searchers.one_rung import EARLY, at_one_rung
from pipeline.space import Config, Count, Cube, best_nearby, draw, drawn_parameters, key_of

_RANDOM_EVERY = 4
"""Every fourth config is random, so that a wrong model is noticed."""

_FEW_RUNNING = 8
"""With more running trials, every fourth config of the search at one epoch is random: many are drawn before a wrong
model is noticed."""

_EVALUATED_AGAIN = 10
"""The number of candidates that are evaluated as configs: rounding moves integers away from their places."""


@dataclass(frozen=True)
class CurveSearch(SearcherSettings):
    """Models the objective over the space and the epochs, and draws the config with the largest expected improvement.

    The improvement is that at the last epoch. Made for schedulers that stop trials early: it learns from every
    milestone, and a running trial counts with the value that the model expects. Every fourth config is random.

    Args:
        startup: Number of trials with a value before it learns; until then it draws as random search does.
        candidates: Number of random configs among which the largest expected improvement is searched.
    """

    title: ClassVar[str] = "a Gaussian process over learning curves"
    learns: ClassVar[bool] = True

    startup: Count = 6
    candidates: Count = 400

    kind: Literal["curves"] = field(default="curves", repr=False)

    def suggest(self, space: AnySpace, *, seed: int, index: int, history: History, epochs: int) -> Suggestion:
        rng = draw_generator(seed, index)
        before = history.chosen(best=MAX_OBSERVATIONS // 4, newest=MAX_OBSERVATIONS // 4)
        if index % _RANDOM_EVERY == _RANDOM_EVERY - 1:
            return Suggestion(draw(space, rng, index), "Drawn at random, like every fourth config.")
        valued = sum(bool(curve_of(one, epochs)) for one in before)
        if valued < self.startup or not drawn_parameters(space):
            text = f"Drawn at random: trials with a value: {valued}, of the {self.startup} that the model needs."
            return Suggestion(draw(space, rng, index), text)
        cube = Cube(space)
        units = rng.random((self.candidates, cube.sides))
        with one_thread():
            return _best(cube, CurveModel(cube, before, history, epochs), before, epochs, units)


def _best(cube: Cube, model: CurveModel, before: Sequence[Observation], epochs: int, units: Reals) -> Suggestion:
    """The config of the largest expected improvement at the last epoch among places in the cube.

    Over curves, neighbours of good configs would nearly always win, and be no better.
    """
    order = np.argsort(-model.gains(cube.points(units)), kind="stable")
    untried = _untried((cube.config(unit) for unit in units[order]), before)
    # If all of them were tried, the best one is the draw.
    configs = list(islice(untried, _EVALUATED_AGAIN)) or [cube.config(units[order[0]])]
    # An integer covers a part of the cube: the best candidates are evaluated again in the middle of that part.
    points = cube.points(cube.units(configs))
    best = int(np.argmax(model.gains(points)))
    return Suggestion(configs[best], model.reason(points[[best]], epochs))


def _untried(configs: Iterable[Config], before: Iterable[Observation]) -> Iterator[Config]:
    """The configs that were not tried, each once."""
    keys = set()
    for one in before:
        if "key" not in one.cache:
            one.cache["key"] = key_of(one.config)
        keys.add(one.cache["key"])
    for config in configs:
        if (key := key_of(config)) not in keys:
            keys.add(key)
            yield config


@dataclass(frozen=True)
class GPSearch(SearcherSettings):
    """Models the objective over the space and draws the config with the largest expected improvement.

    For few, expensive trials, up to some hundreds. It is the process of CurveSearch at one epoch (Snoek et al. 2012).
    As long as trials are compared before their last epoch, every second config is drawn at random. Running trials
    count with the loss that the process expects of them, a "kriging believer" (Ginsbourger et al. 2010). While more
    than eight trials run, every fourth config is random.

    Args:
        startup: Number of configs that are drawn at random first, as in random search.
        candidates: Number of configs among which the largest expected improvement is searched.
    """

    title: ClassVar[str] = "a Gaussian process"
    learns: ClassVar[bool] = True

    startup: Count = 8
    candidates: Count = 1000

    kind: Literal["gp"] = field(default="gp", repr=False)

    def suggest(self, space: AnySpace, *, seed: int, index: int, history: History, epochs: int) -> Suggestion:
        learned = history.chosen(best=MAX_OBSERVATIONS // 2, newest=MAX_OBSERVATIONS // 2)
        rng = draw_generator(seed, index)
        before, early = at_one_rung(space, learned, epochs=epochs, startup=self.startup)
        known = [one for one in before if one.state == "known"]
        if len(known) < self.startup or not drawn_parameters(space):
            return Suggestion(draw(space, rng, index))
        if early and index % 2:
            return Suggestion(draw(space, rng, index), EARLY)
        if sum(one.state == "open" for one in before) > _FEW_RUNNING and index % _RANDOM_EVERY == _RANDOM_EVERY - 1:
            text = "Drawn at random, like every fourth config while many trials run."
            return Suggestion(draw(space, rng, index), text)
        at_end, cube = [one.with_fields(curve=(), ended=True) for one in before], Cube(space)
        best = sorted(known, key=lambda one: one.loss or 0.0)[:4]
        with one_thread():
            model = CurveModel(cube, at_end, at_end, epochs, one_epoch=True)
            config = best_nearby(cube, units_of(cube, best), model.gains, candidates=self.candidates, rng=rng)
            return Suggestion(config, model.reason(cube.points(cube.units([config])), epochs))
