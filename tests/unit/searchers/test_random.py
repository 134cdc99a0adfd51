"""Random search."""

import math

from pipeline.searchers import RandomSearch
from pipeline.space import Choice, Grid, Uniform


def test_seeds_draw_differently() -> None:
    """Random search draws differently for another seed and for another index."""
    space = {"u": Uniform(0, 1)}
    drawn = {RandomSearch().draw(space, seed=s, index=i)["u"] for s in range(20) for i in range(20)}
    assert len(drawn) == 400


def test_random_search_runs_through_grids() -> None:
    """In random search a Grid takes its values in turn, and a Choice is drawn."""
    space = {"g": Grid([1, 2, 3]), "c": Choice([0, 1]), "u": Uniform(0, 1)}
    configs = [RandomSearch().draw(space, seed=0, index=i) for i in range(300)]
    assert [config["g"] for config in configs] == [1, 2, 3] * 100
    assert 100 < sum(config["c"] for config in configs) < 200
    assert math.isclose(sum(config["u"] for config in configs) / 300, 0.5, abs_tol=0.06)
