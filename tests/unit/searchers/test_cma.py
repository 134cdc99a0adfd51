"""CMA-ES."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.searchers import CMASearch, Observation, RandomSearch
from pipeline.space import Choice, Config, Switch, Uniform
from tests.unit.searchers.known_optima import CUBE, SQUARE, beats_chance, branin, sphere


def _tried(space: dict[str, Any], count: int, loss: Callable[[Config], float]) -> list[Observation]:
    configs = [RandomSearch().draw(space, seed=7, index=index) for index in range(count)]
    return [Observation(config, "known", loss(config)) for config in configs]


@pytest.mark.parametrize(("space", "loss", "trials"), [(SQUARE, branin, 60), (CUBE, sphere, 80)])
def test_it_beats_chance(space: dict[str, Any], loss: Any, trials: int) -> None:
    """CMA-ES finds a better config than random search in the same number of trials."""
    assert beats_chance("cma", space, loss, trials)


def test_it_moves_generation_by_generation() -> None:
    """CMA-ES learns only from whole generations of losses, and its draws move towards lower losses."""
    cma = CMASearch(population=8)

    def draws(count: int) -> list[Config]:
        tried = _tried(SQUARE, count, lambda config: float(config["x"]))
        return [cma.draw(SQUARE, seed=0, index=index, observations=tried) for index in range(40)]

    assert draws(0) == draws(7)
    assert draws(8) == draws(15)
    means = [np.mean([float(config["x"]) for config in draws(count)]) for count in (0, 8, 40)]
    assert means[0] > means[1] > means[2]


def test_the_spread_is_the_first_standard_deviation() -> None:
    """The initial spread of CMA-ES is a share of each parameter's range around its middle."""
    space = {"x": Uniform(0, 100), "y": Uniform(0, 1)}
    drawn = [CMASearch(spread=0.05).draw(space, seed=0, index=index) for index in range(300)]
    assert np.mean([float(config["x"]) for config in drawn]) == pytest.approx(50, abs=1)
    assert np.std([float(config["x"]) for config in drawn]) == pytest.approx(5, abs=1)


def test_parameters_that_are_not_numeric_are_drawn_at_random() -> None:
    """CMA-ES draws choices, switches and parameters of branches as random search does with the same seed."""
    space = {**SQUARE, "c": Choice([1, 2, 3]), "s": Switch({"a": {}, "b": {"z": Uniform(0, 1)}})}
    for index in range(20):
        drawn = CMASearch().draw(space, seed=3, index=index)
        at_random = RandomSearch().draw(space, seed=3, index=index)
        assert {name: value for name, value in drawn.items() if name not in SQUARE} == {
            name: value for name, value in at_random.items() if name not in SQUARE
        }
        assert drawn["x"] != at_random["x"]


@pytest.mark.parametrize(
    ("space", "found"),
    [
        ({"x": Uniform(0, 1), "c": Choice([1, 2])}, "there is only x"),
        ({"c": Choice([1, 2])}, "there is none"),
        ({"s": Switch({"a": {"x": Uniform(0, 1), "y": Uniform(0, 1)}})}, "there is none"),
    ],
)
def test_fewer_than_two_numbers_are_refused(space: dict[str, Any], found: str) -> None:
    """CMA-ES refuses a space in which fewer than two numbers belong to every config, except for one of constants."""
    (fault,) = CMASearch().faults(space)
    assert found in fault.allowed
    assert CMASearch().faults(SQUARE) == CMASearch().faults({"k": 1}) == []


@pytest.mark.parametrize(("numbers", "population"), [(2, 6), (5, 8), (8, 10)])
def test_the_generation_grows_with_the_logarithm_of_the_numbers(numbers: int, population: int) -> None:
    """Without a given population, CMA-ES learns after 4 + 3 log(numbers) losses, rounded down."""
    space = {f"x{axis}": Uniform(0, 1) for axis in range(numbers)}
    tried = _tried(space, population, lambda config: float(config["x0"]))
    drawn = [
        CMASearch().draw(space, seed=0, index=40, observations=tried[:count])
        for count in (0, population - 1, population)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
