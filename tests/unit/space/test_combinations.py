"""The combinations of a space."""

import numpy as np
import pytest

from pipeline.space import (
    Choice,
    Grid,
    IntUniform,
    Switch,
    Uniform,
    combination,
    combinations,
    draw,
    is_continuous,
    number_of,
)


def test_a_large_grid_is_not_walked_through() -> None:
    """The combination of any number is computed directly, although a grid may have too many to list."""
    space = {f"p{i}": Grid(list(range(100))) for i in range(30)}
    config = draw(space, np.random.default_rng(0), 100**29 + 7)
    assert (config["p0"], config["p1"], config["p29"]) == (1, 0, 7)


def test_a_space_of_constants_has_one_combination() -> None:
    """A space of constants, and an empty one, have one combination."""
    assert combinations({"x": 3}) == combinations({}) == 1
    assert combination({"x": 3}, 5) == {"x": 3}


def test_combinations_of_branches_follow_each_other() -> None:
    """The combinations of all branches with their parameters are enumerated, and each has its number."""
    space = {
        "width": Choice([8, 16]),
        "schedule": Switch(
            {"constant": {}, "cyclic": {"period": Grid([2, 4]), "way": Switch({"a": {}, "b": {"c": 1}})}}
        ),
    }
    assert combinations(space) == 10
    configs = [combination(space, index) for index in range(10)]
    assert configs[:5] == [
        {"width": 8, "schedule": "constant"},
        {"width": 8, "schedule": "cyclic", "period": 2, "way": "a"},
        {"width": 8, "schedule": "cyclic", "period": 2, "way": "b", "c": 1},
        {"width": 8, "schedule": "cyclic", "period": 4, "way": "a"},
        {"width": 8, "schedule": "cyclic", "period": 4, "way": "b", "c": 1},
    ]
    assert configs[5:] == [{**config, "width": 16} for config in configs[:5]]
    assert combination(space, 10) == configs[0]
    assert [number_of(space, config) for config in configs] == list(range(10))


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ({"x": Uniform(0, 1), "n": IntUniform(1, 3)}, True),
        ({"n": IntUniform(1, 3), "fixed": 0.5}, False),
        ({"kind": Switch({"a": {"x": Uniform(0, 1)}, "b": {}})}, False),
    ],
)
def test_a_space_is_continuous_if_every_config_has_a_real_number(space: dict[str, object], expected: bool) -> None:
    """A space is continuous only if every config has a drawn real number, and not one of some branches alone."""
    assert is_continuous(space) is expected
