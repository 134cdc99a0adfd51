"""CMA-ES."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline.searchers import CMASearch, Observation, RandomSearch
from pipeline.space import Choice, Config, Switch, Uniform
from tests.unit.searchers.problems import SQUARE


def _tried(space: dict[str, Any], count: int, loss: Callable[[Config], float]) -> list[Observation]:
    configs = [RandomSearch().draw(space, seed=7, index=index) for index in range(count)]
    return [Observation(config, "known", loss(config)) for config in configs]


def test_it_moves_generation_by_generation() -> None:
    cma = CMASearch(population=8)

    def draws(count: int) -> list[Config]:
        tried = _tried(SQUARE, count, lambda config: float(config["x"]))
        return [cma.draw(SQUARE, seed=0, index=index, observations=tried) for index in range(40)]

    assert draws(0) == draws(7)
    assert draws(8) == draws(15)
    means = [np.mean([float(config["x"]) for config in draws(count)]) for count in (0, 8, 40)]
    assert means[0] > means[1] > means[2]


def test_parameters_that_are_not_numeric_are_drawn_at_random() -> None:
    space = {**SQUARE, "c": Choice([1, 2, 3]), "s": Switch({"a": {}, "b": {"z": Uniform(0, 1)}})}
    for index in range(20):
        drawn = CMASearch().draw(space, seed=3, index=index)
        at_random = RandomSearch().draw(space, seed=3, index=index)
        assert {name: value for name, value in drawn.items() if name not in SQUARE} == {
            name: value for name, value in at_random.items() if name not in SQUARE
        }
        assert drawn["x"] != at_random["x"]
