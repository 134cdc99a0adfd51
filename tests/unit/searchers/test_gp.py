"""The search by a Gaussian process at one epoch."""

from typing import Any

import numpy as np
import pytest

from pipeline.searchers import SEARCHERS, GPSearch, Observation
from pipeline.space import Config, Uniform
from tests.unit.searchers.problems import SQUARE, branin

_LINE = {"x": Uniform(0, 1)}


def _tried(at: list[float], state: Any = "known") -> list[Observation]:
    return [Observation({"x": x}, state, (x - 0.3) ** 2 if state == "known" else None) for x in at]


def _drawn(observations: list[Observation], **settings: int) -> Config:
    return GPSearch(**settings).draw(_LINE, seed=0, index=30, observations=observations)


def test_it_looks_where_nothing_is_known() -> None:
    at = [*np.linspace(0, 0.3, 10), *np.linspace(0.8, 1, 7)]
    waves = [Observation({"x": float(x)}, "known", float(np.cos(30 * x))) for x in at]
    assert 0.32 < float(_drawn(waves)["x"]) < 0.78


def test_it_draws_elsewhere_than_many_running_trials() -> None:
    valleys = {0.0: 1.0, 0.1: 0.5, 0.2: 0.0, 0.4: 0.0, 0.5: 0.6, 0.6: 1.0, 0.7: 0.2, 0.9: 0.2, 1.0: 0.8}
    known = [Observation({"x": x}, "known", loss) for x, loss in valleys.items()]
    assert 0.2 < float(_drawn(known)["x"]) < 0.4
    running = _tried(np.linspace(0.1, 0.5, 40).tolist(), "open")
    assert 0.7 < float(_drawn([*known, *running])["x"]) < 0.9


@pytest.mark.parametrize("workers", [8, 16])
def test_it_beats_chance_in_parallel(workers: int) -> None:
    found = [_best_in_parallel(kind, workers) - 0.3979 for kind in ("gp", "random")]
    assert found[0] < 0.1 * found[1]


def _best_in_parallel(kind: str, workers: int) -> float:
    tried: list[Observation] = []
    for index in range(max(3 * workers, 48)):
        if index >= workers:
            done = tried[index - workers].config
            tried[index - workers] = Observation(done, "known", branin(done))
        tried.append(Observation(SEARCHERS[kind]().draw(SQUARE, seed=0, index=index, observations=tried), "open"))
    return min(branin(one.config) for one in tried)
