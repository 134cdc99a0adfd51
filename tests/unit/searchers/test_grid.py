"""Grid search."""

import pytest

from pipeline.searchers import GridSearch
from pipeline.space import (
    Choice,
    CountableDomain,
    IntUniform,
    QUniform,
    Uniform,
    fits,
)
from tests.unit.searchers.mixed_spaces import ENDLESS, LISTED


def test_the_grid_covers_every_combination_once() -> None:
    """A grid covers all combinations, listed choices too, with the last parameter fastest, and repeats at its end."""
    grid = GridSearch()
    assert grid.size(LISTED) == 12
    configs = [tuple(grid.draw(LISTED, seed=0, index=i).values()) for i in range(24)]
    assert len(set(configs[:12])) == 12
    assert configs[:12] == configs[12:]
    assert configs[:3] == [(1, "x", 0.5, True), (1, "x", 0.5, False), (1, "y", 0.5, True)]


def test_the_grid_does_not_depend_on_the_seed() -> None:
    """The grid depends on the configs' numbers and not on the seed."""
    grid = GridSearch()
    configs = [grid.draw(LISTED, seed=0, index=i) for i in range(12)]
    assert configs == [grid.draw(LISTED, seed=9, index=i) for i in range(12)]
    assert [grid.number_of(LISTED, config) for config in configs] == list(range(12))


def test_the_grid_refuses_endless_domains_by_name() -> None:
    """Grid search refuses parameters with infinitely many values and names each of them."""
    (fault,) = GridSearch().faults(ENDLESS)
    assert fault.allowed == (
        "grid search needs a finite number of values for every hyperparameter, and lr, u, z, s.rates.warm, "
        "s.rates.decay have infinitely many: use Grid, Choice, IntUniform, QUniform, or a fixed value"
    )
    (fault,) = GridSearch().faults({"lr": Uniform(0, 1)})
    assert "and lr has infinitely many" in fault.allowed


@pytest.mark.parametrize(
    "domain",
    [
        IntUniform(3, 20, step=5),
        IntUniform(1, 9, log=True, step=3),
        IntUniform(-4, 4),
        QUniform(0.1, 0.75, 0.1),
        QUniform(-1.0, 1.0, 0.3),
        QUniform(0.7, 0.7000000000000028, 2.3e-16),
    ],
)
def test_the_grid_lists_whole_and_quantised_numbers(domain: CountableDomain) -> None:
    """A grid has each value of a whole or quantised domain once, and finds the number of a config."""
    grid, space = GridSearch(), {"kind": Choice(["a", "b"]), "n": domain}
    assert grid.faults(space) == []
    size = grid.size(space)
    assert size == 2 * domain.count
    configs = [grid.draw(space, seed=0, index=index) for index in range(size)]
    assert len({(config["kind"], config["n"]) for config in configs}) == size
    assert all(fits(space, config) for config in configs)
    assert [grid.number_of(space, config) for config in configs] == list(range(size))
