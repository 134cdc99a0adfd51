"""Values of a param_space that functions give."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from pipeline import LogUniform, Uniform, load_results, run
from pipeline.adapters import from_file
from pipeline.adapters.ray_tune.sample_from import compute_functions, is_function, places_of_functions, with_draws
from pipeline.space import Choice


def test_a_program_with_functions_is_tuned(program: Callable[[str], str], tmp_path: Path) -> None:
    """Functions of a param_space that only draw are searched, and those that read other values get the trial's."""
    notes: list[str] = []
    job = from_file(program("rt_sample.py"), "ray-tune", {"name": "s"}, notes.append)
    assert set(job.space) == {"a", "size", "rate"}
    assert job.space["a"] == Uniform(0, 10)
    assert job.space["size"] == Choice((4, 8, 16, 32, 64, 128, 256))
    rate = job.space["rate"]
    assert isinstance(rate, LogUniform)
    assert 1e-4 <= rate.low < 1.1e-4 < 0.09 < rate.high <= 0.1
    assert notes == [
        "rt_sample.py, line 21: tune.sample_from is called in each trial for inner.c, b; the tables do not have its "
        "values."
    ]
    run(job.replaced({"resources.workers": 0}), storage=tmp_path, note=lambda _: None)
    epochs = load_results(tmp_path / "s").epochs
    assert epochs["double"].to_numpy() == pytest.approx(2 * epochs["config_a"].to_numpy())
    assert epochs["next"].to_numpy() == pytest.approx(2 * epochs["config_a"].to_numpy() + 1)


@pytest.mark.parametrize(
    "function",
    [
        lambda spec: spec.config.a.x + 1,
        lambda spec: spec["config"]["a"]["x"] + 1,
        lambda config: config["a"]["x"] + 1,
        lambda config: config.get("a")["x"] + 1,
        lambda config: config.a.get("x", 0) + config.get("z", 1),
    ],
)
def test_other_values_are_read_in_each_form(function: Any) -> None:
    """A function reads other values as items or attributes of the config, or of a spec that has it."""
    space = {"a": {"x": 1}, "b": tune.sample_from(function)}
    assert is_function(with_draws(space)["b"])
    assert compute_functions(space, 0) == {"a": {"x": 1}, "b": 2}
    assert is_function(space["b"])


def test_the_draws_of_a_function_depend_on_the_seed() -> None:
    """A function that reads and draws has the same values for the same seed, and the generators keep their states."""
    space = {"a": 2, "b": tune.sample_from(lambda config: config["a"] * random.random())}
    state = random.getstate()
    first, again, other = (compute_functions(space, seed)["b"] for seed in (1, 1, 2))
    assert first == again != other
    assert random.getstate() == state


def test_functions_that_read_each_other_are_refused() -> None:
    """Functions that need each other's values end the trial with their names."""
    space = {"a": tune.sample_from(lambda spec: spec.config.b), "b": tune.sample_from(lambda spec: spec.config.a)}
    with pytest.raises(ValueError, match="read each other's values: a, b"):
        compute_functions(space, 0)


def test_functions_without_a_range_are_called_in_each_trial() -> None:
    """A constant is a fixed value, and a function that draws many values that are not numbers stays a function."""
    space = with_draws(
        {
            "constant": tune.sample_from(lambda: 5),
            "lists": {"sizes": tune.sample_from(lambda _: [random.randint(1, 99) for _ in range(3)])},
        }
    )
    assert list(places_of_functions(space)) == [("lists", "sizes")]
    assert space["constant"].categories == [5]
    assert len(compute_functions(space, 0)["lists"]["sizes"]) == 3
