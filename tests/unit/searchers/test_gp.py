"""Bayesian optimisation with a Gaussian process."""

from typing import Any

import numpy as np
import pytest

from pipeline.searchers import SEARCHERS, GPSearch, Observation, RandomSearch
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


@pytest.mark.parametrize("running", [1, 8, 64, 300])
def test_running_trials_do_not_outweigh_what_is_known(running: int) -> None:
    """However many trials run, the Gaussian process learns from the others, and draws near the minimum."""
    around = [0.1 + 0.8 * number / running for number in range(running)]
    drawn = float(_drawn([*_tried(list(np.linspace(0.02, 0.98, 12))), *_tried(around, "open")])["x"])
    assert drawn == pytest.approx(0.3, abs=0.1)


def test_it_draws_elsewhere_than_many_running_trials() -> None:
    """If dozens of trials run in the better one of two valleys, the Gaussian process draws in the other one."""
    valleys = {0.0: 1.0, 0.1: 0.5, 0.2: 0.0, 0.4: 0.0, 0.5: 0.6, 0.6: 1.0, 0.7: 0.2, 0.9: 0.2, 1.0: 0.8}
    known = [Observation({"x": x}, "known", loss) for x, loss in valleys.items()]
    assert 0.2 < float(_drawn(known)["x"]) < 0.4
    running = _tried(np.linspace(0.1, 0.5, 40).tolist(), "open")
    assert 0.7 < float(_drawn([*known, *running])["x"]) < 0.9


def test_every_fourth_config_is_random_while_many_trials_run() -> None:
    """While more than eight trials run, every fourth config is that of random search."""
    known = _tried(list(np.linspace(0.02, 0.98, 12)))
    for running, at_random in ((8, False), (9, True)):
        tried = [*known, *_tried([0.5] * running, "open")]
        suggested = GPSearch().suggest(_LINE, seed=0, index=31, observations=tried, epochs=1)
        assert ("every fourth" in suggested.reason) == at_random
        assert (suggested.config == RandomSearch().draw(_LINE, seed=0, index=31)) == at_random


@pytest.mark.parametrize("workers", [8, 16, 64])
def test_it_beats_chance_in_parallel(workers: int) -> None:
    """With several workers, the Gaussian process finds a far better config than random search."""
    found = [_best_in_parallel(kind, workers) - 0.3979 for kind in ("gp", "random")]
    assert found[0] < 0.1 * found[1]


def _best_in_parallel(kind: str, workers: int) -> float:
    """The least loss of a study of Branin's function in which this many trials run at any time."""
    tried: list[Observation] = []
    for index in range(max(3 * workers, 48)):
        if index >= workers:
            done = tried[index - workers].config
            tried[index - workers] = Observation(done, "known", branin(done))
        tried.append(Observation(SEARCHERS[kind]().draw(SQUARE, seed=0, index=index, observations=tried), "open"))
    return min(branin(one.config) for one in tried)
