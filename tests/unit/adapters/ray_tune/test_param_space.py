"""A param_space as a space and as a config."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ray import tune

from pipeline import Choice, Uniform
from pipeline.adapters import from_file, from_ray_tune
from pipeline.adapters.ray_tune.param_space import leaves, outside_of, points_of
from pipeline.adapters.ray_tune.trainable import TrainableAdapter
from pipeline.errors import InvalidJob
from pipeline.study import Objective
from pipeline.training.function import FunctionLearner


def test_unsupported_programs_are_refused_with_the_line(program: Callable[[str], str]) -> None:
    """A Ray Tune program is refused with the lines that cannot be translated, or because it names no metric."""
    with pytest.raises(InvalidJob) as raised:
        from_file(program("rt_bad.py") + ":train", "ray-tune", {"objectives": [Objective("loss", "min")]})
    assert "rt_bad.py, line 10: must not be a list with domains" in str(raised.value)
    assert "rt_bad.py, line 11: must be one of choice, uniform" in str(raised.value)
    with pytest.raises(InvalidJob, match="no metric"):
        from_ray_tune(lambda config: config, {"x": tune.uniform(0, 1)})


def test_values_that_are_no_json_reach_the_function() -> None:
    """Functions, tuples, objects and nested dicts in a param_space reach the trainable function unchanged."""
    seen: list[Any] = []
    space = {
        "activation": tune.choice([np.tanh, np.sin]),
        "sizes": tune.choice([(1, 2), (3, 4)]),
        "data": np.ones(2),
        "inner": {"rate": tune.uniform(0, 1), "fixed": 3},
    }
    adapter = TrainableAdapter(None, "", lambda config: seen.append(config) or {"y": 1.0}, space)
    learner = FunctionLearner(
        adapter.steps, {"activation": "sin", "sizes": [3, 4], "inner_rate": 0.5, "inner_fixed": 3}
    )
    assert learner.run_epoch().metrics == {"y": 1.0}
    (config,) = seen
    assert config["activation"] is np.sin
    assert config["sizes"] == (3, 4)
    assert config["data"] is space["data"]
    assert config["inner"] == {"rate": 0.5, "fixed": 3}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([tune.choice([1, 2]), 3], "must not be a list with domains"),
        ({"grid_search": [{"rate": tune.uniform(0, 1)}]}, "must be text, numbers, or functions and classes with names"),
        (tune.choice([object(), object()]), "must be text, numbers, or functions and classes with names"),
        (tune.choice([lambda: 1, lambda: 2]), "must be text, numbers, or functions and classes with names"),
        (tune.grid_search([object(), 1]), "must be text, numbers, or functions and classes with names"),
    ],
)
def test_values_that_no_worker_would_find_are_refused(value: Any, message: str) -> None:
    """Domains within a list, and choices between objects that have no names, are refused."""
    with pytest.raises(InvalidJob, match=message):
        from_ray_tune(lambda config: config, {"x": value}, objectives=[Objective("loss", "min")])


def test_values_outside_of_the_space_are_named() -> None:
    """Values of first configs that their domains do not contain are named once; ends of ranges are in the space."""
    space = {"x": Uniform(0, 1), "a_b": Choice((1, 2)), "fixed": 3}
    points = [{"x": 1.0, "a": {"b": 3}}, {"x": 1.5, "fixed": 4}, {"x": 1.5, "a": {"b": tune.choice([1, 2])}}]
    assert outside_of(points, space) == ["a_b=3", "x=1.5"]
    assert points_of(points, space) == [{"x": 1.0}]
    assert [place for place, _ in leaves(points[0])] == [("x",), ("a", "b")]
