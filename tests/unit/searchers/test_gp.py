"""The search by a Gaussian process at one epoch."""

from typing import Any

import numpy as np

from pipeline.searchers import GPSearch, Observation
from pipeline.space import Config, Uniform

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
