"""Bayesian optimisation with a Gaussian process."""

from typing import Any

import numpy as np
import pytest

from pipeline.searchers import GPSearch, Observation, RandomSearch
from pipeline.space import Config, Uniform
from tests.unit.searchers.known_optima import CUBE, SQUARE, SWITCHED, beats_chance, branin, sphere, switched

_LINE = {"x": Uniform(0, 1)}


def _tried(at: list[float], state: Any = "known") -> list[Observation]:
    """Trials of a parabola with its minimum at 0.3."""
    return [Observation({"x": x}, state, (x - 0.3) ** 2 if state == "known" else None) for x in at]


def _drawn(observations: list[Observation], **settings: int) -> Config:
    return GPSearch(**settings).draw(_LINE, seed=0, index=30, observations=observations)


@pytest.mark.parametrize(
    ("space", "loss", "trials"),
    [(SQUARE, branin, 25), pytest.param(CUBE, sphere, 30, marks=pytest.mark.long), (SWITCHED, switched, 25)],
)
def test_it_beats_chance(space: dict[str, Any], loss: Any, trials: int) -> None:
    """The Gaussian process finds a better config than random search in the same number of trials."""
    assert beats_chance("gp", space, loss, trials)


def test_it_takes_what_improves_most() -> None:
    """After points on a smooth curve, the Gaussian process draws near the minimum."""
    assert float(_drawn(_tried(list(np.linspace(0.02, 0.98, 12))))["x"]) == pytest.approx(0.3, abs=0.03)


def test_it_looks_where_nothing_is_known() -> None:
    """If values fluctuate, the Gaussian process draws in the widest gap between points."""
    at = [*np.linspace(0, 0.3, 10), *np.linspace(0.8, 1, 7)]
    waves = [Observation({"x": float(x)}, "known", float(np.cos(30 * x))) for x in at]
    assert 0.32 < float(_drawn(waves)["x"]) < 0.78


def test_it_begins_as_random_search() -> None:
    """The Gaussian process draws as random search until `startup` losses of completed trials are known."""
    at = list(np.linspace(0, 1, 9))
    at_random = RandomSearch().draw(_LINE, seed=0, index=30)
    assert _drawn(_tried(at[:8]), startup=9) == _drawn(_tried(at, "failed"), startup=9) == at_random
    assert _drawn(_tried(at), startup=9) != at_random


def test_one_diverged_trial_does_not_hide_the_others() -> None:
    """The minimum of the other trials is found even if one trial has a loss of 1e300."""
    at = list(np.linspace(0.02, 0.98, 12))
    diverged = [*_tried(at), Observation({"x": 0.99}, "known", 1e300)]
    assert float(_drawn(diverged)["x"]) == pytest.approx(0.3, abs=0.05)
