"""Sobol search."""

from collections import Counter

from pipeline.searchers import SEARCHERS
from pipeline.space import Switch, Uniform
from tests.unit.searchers.known_optima import SQUARE


def test_sobol_is_more_even_than_chance() -> None:
    """Of 64 Sobol points each sixteenth of a square has four, and all branches are equally frequent."""
    sobol = SEARCHERS["sobol"]()
    configs = [sobol.draw(SQUARE, seed=3, index=index) for index in range(64)]
    cells = Counter((int(4 * float(config["x"])), int(4 * float(config["y"]))) for config in configs)
    assert set(cells.values()) == {4}
    branches = Counter(
        sobol.draw({"s": Switch({"a": {}, "b": {"p": Uniform(0, 1)}})}, seed=0, index=index)["s"] for index in range(64)
    )
    assert set(branches.values()) == {32}


def test_a_seed_has_one_sequence() -> None:
    """Config i is point i of the seed's Sobol sequence, and another seed has another sequence."""
    sobol = SEARCHERS["sobol"]()
    drawn = [sobol.draw(SQUARE, seed=1, index=index) for index in (0, 5, 2)]
    assert drawn == [sobol.draw(SQUARE, seed=1, index=index) for index in (0, 5, 2)]
    assert sobol.draw(SQUARE, seed=2, index=0) != drawn[0]


def test_branches_have_dimensions_of_their_own() -> None:
    """Sobol points cover the parameter of each branch evenly, and a space of constants has one config."""
    space = {"s": Switch({"a": {"p": Uniform(0, 1)}, "b": {"p": Uniform(0, 1)}})}
    configs = [SEARCHERS["sobol"]().draw(space, seed=0, index=index) for index in range(64)]
    eighths = Counter((config["s"], int(4 * float(config["p"]))) for config in configs)
    assert set(eighths.values()) == {8}
    assert SEARCHERS["sobol"]().draw({"k": 1}, seed=0, index=3) == {"k": 1}
