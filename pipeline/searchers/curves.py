"""Bayesian optimisation over whole learning curves: early epochs predict the value of a config at the last epoch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline.machine import one_thread
from pipeline.searchers.base import (
    MAX_OBSERVATIONS,
    EarlierStudy,
    History,
    Observation,
    SearcherSettings,
    Suggestion,
    draw_generator,
)
from pipeline.searchers.curve_model import CurveModel, curve_fit, curve_of
from pipeline.searchers.curve_process import Reals
from pipeline.space import Config, Count, Cube, draw, drawn_parameters, key_of
from pipeline.text import by_count, counted

_RANDOM_EVERY = 4
"""Every fourth config is random, so that a wrong model is noticed."""

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
    learns_from_studies: ClassVar[bool] = True

    startup: Count = 6
    candidates: Count = 400

    kind: Literal["curves"] = field(default="curves", repr=False)

    def suggest(
        self, space: Mapping[str, Any], *, seed: int, index: int, observations: Iterable[Observation], epochs: int
    ) -> Suggestion:
        """A config by the process, with the improvement that it expects at the last epoch."""
        rng, history = draw_generator(seed, index), History.of(observations)
        before = history.chosen(best=MAX_OBSERVATIONS // 4, newest=MAX_OBSERVATIONS // 4)
        if index % _RANDOM_EVERY == _RANDOM_EVERY - 1:
            return Suggestion(draw(space, rng, index), "Drawn at random, like every fourth config.")
        if not drawn_parameters(space):
            return Suggestion(draw(space, rng, index), "The only config of the space.")
        valued = (one for one in before if curve_of(one, epochs))
        few = len(list(islice(valued, self.startup))) < self.startup
        so_far = f"fewer than {counted(self.startup, 'trial')} {by_count(self.startup, 'has', 'have')} a value"
        if few and not history.earlier:
            return Suggestion(draw(space, rng, index), f"Drawn at random: {so_far}.")
        if few and index % 2:
            # Values of configs that no earlier study has recommended show how much those studies help.
            return Suggestion(draw(space, rng, index), f"Drawn at random, like every second config while {so_far}.")
        if few and not any(self.factors(space, history, history.earlier, epochs)):
            text = f"Drawn at random: {so_far}, and earlier studies do not count."
            return Suggestion(draw(space, rng, index), text)
        with one_thread():
            model = CurveModel(cube := Cube(space), before, history, history.earlier, epochs)
            return _best(cube, model, before, epochs, rng.random((self.candidates, cube.sides)))

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
        with one_thread():
            return curve_fit(Cube(space), History.of(observations), earlier, epochs).factors


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
        if "key" not in one.of_config:
            one.of_config["key"] = key_of(one.config)
        keys.add(one.of_config["key"])
    for config in configs:
        if (key := key_of(config)) not in keys:
            keys.add(key)
            yield config
