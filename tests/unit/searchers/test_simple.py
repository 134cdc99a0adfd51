"""Searchers that do not learn, and the observations that the others choose."""

import math
from dataclasses import replace

import pytest

from pipeline.searchers import SEARCHERS, GridSearch, Observation, RandomSearch
from pipeline.searchers.base import MAX_OBSERVATIONS, History
from pipeline.space import Choice, Grid, IntUniform, Switch, Uniform


def test_random_search_runs_through_grids() -> None:
    space = {"g": Grid([1, 2, 3]), "c": Choice([0, 1]), "u": Uniform(0, 1)}
    configs = [RandomSearch().draw(space, seed=0, index=i) for i in range(300)]
    assert [config["g"] for config in configs] == [1, 2, 3] * 100
    assert 100 < sum(config["c"] for config in configs) < 200
    assert math.isclose(sum(config["u"] for config in configs) / 300, 0.5, abs_tol=0.06)


def test_the_grid_refuses_endless_domains_by_name() -> None:
    (fault,) = GridSearch().faults(
        {"n": IntUniform(1, 5), "lr": Uniform(0, 1), "s": Switch({"a": {"u": Uniform(0, 1)}})}
    )
    assert (fault.field, "lr, s.a.u" in fault.allowed) == ("searcher", True)


_SPACE = {"x": Uniform(0, 1), "y": Uniform(0, 1)}


def _known(number: int, loss: float, epoch: int = 1) -> Observation:
    config = {"x": number % 97 / 97, "y": number % 89 / 89}
    return Observation(config, "known", loss, ((epoch, loss),), f"{number:04d}", ended=True)


def test_of_many_the_best_the_newest_and_the_running_ones_are_chosen() -> None:
    tried = [
        replace(_known(number, 1 + abs(number - 700) / 1000, epoch=4 if number in (20, 30) else 1), ended=False)
        for number in range(2000)
    ]
    tried[5] = Observation({"x": 0.5, "y": 0.5}, "open", trial_id="0005")
    assert History(tried[:1000]).chosen() == tried[:1000]
    chosen = History(tried).chosen(best=5, newest=50)
    numbers = [int(one.trial_id) for one in chosen]
    assert numbers == sorted(numbers)
    assert {5, 20, 30, 700, *range(1950, 2000)} <= set(numbers)
    assert MAX_OBSERVATIONS - 60 <= len(numbers) <= MAX_OBSERVATIONS
    assert 350 < sum(number < 1000 for number in numbers) < 650


@pytest.mark.parametrize("searcher", ["tpe", "gp", "curves"])
def test_a_draw_uses_a_part_of_a_long_study(searcher: str) -> None:

    class Counted(History):
        read = 0

        def __getitem__(self, index: int | slice) -> Observation | list[Observation]:
            found = super().__getitem__(index)
            Counted.read += len(found) if isinstance(found, list) else 1
            return found

        def __iter__(self):
            raise AssertionError("all observations are read")

    tried = Counted(
        _known(number, (number % 97 / 97 - 0.3) ** 2 + (number % 89 / 89 - 0.6) ** 2) for number in range(3000)
    )
    Counted.read = 0
    SEARCHERS[searcher]().suggest(_SPACE, seed=0, index=3000, history=tried, epochs=1)
    assert 0 < Counted.read <= 2 * MAX_OBSERVATIONS
