"""What a scheduler of Ray Tune changes, as a part of the space."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune

from pipeline import IntUniform, Uniform, load_results, run
from pipeline.adapters import from_file
from pipeline.adapters.ray_tune.mutations import with_mutations
from pipeline.adapters.ray_tune.param_space import space_of_ray
from pipeline.space import Choice


def space_of(param_space: dict[str, Any], mutations: dict[str, Any], *, bounds: bool = False) -> dict[str, Any]:
    """The space of a param_space with mutations."""
    return space_of_ray(with_mutations(param_space, mutations, bounds=bounds), "the program", "", "")


def test_fixed_and_missing_hyperparameters_are_drawn() -> None:
    """A fixed or missing hyperparameter gets the domain of its mutations, and one that is drawn keeps its own."""
    mutations = {"a": [1, 2], "b": tune.uniform(0, 2), "c": [5, 6], "d": {"e": [7, 8]}}
    space = space_of({"a": 1, "c": tune.choice([3, 4]), "d": {"f": 9}}, mutations)
    assert space == {"a": Choice((1, 2)), "c": Choice((3, 4)), "d_f": 9, "d_e": Choice((7, 8)), "b": Uniform(0, 2)}


def test_the_bounds_of_pb2_are_ranges() -> None:
    """The two bounds that PB2 has for a hyperparameter are the ends of its range."""
    assert space_of({"a": 1}, {"a": [0.5, 2], "b": {"c": [1, 3]}}, bounds=True) == {
        "a": Uniform(0.5, 2),
        "b_c": Uniform(1, 3),
    }


def test_a_function_that_draws_has_the_range_of_its_values() -> None:
    """A mutation by a function becomes a choice or a range, the same each time, and `random` keeps its state."""
    import random

    random.seed(3)
    state = random.getstate()
    drawn = {
        "few": lambda: random.choice(["x", "y"]),
        "many": lambda: random.randint(1, 1000),
        "real": lambda: random.uniform(2, 4),
    }
    space = space_of({}, drawn)
    assert random.getstate() == state
    assert space == space_of({}, drawn)
    assert space["few"] == Choice(("x", "y"))
    assert isinstance(space["many"], IntUniform)
    assert 1 <= space["many"].low < 20
    assert 980 < space["many"].high <= 1000
    assert isinstance(space["real"], Uniform)
    assert 2 <= space["real"].low < 2.05
    assert 3.95 < space["real"].high <= 4


def test_a_population_of_fixed_values_has_a_space(program: Callable[[str], str], tmp_path: Path) -> None:
    """A population whose hyperparameters are fixed in param_space draws them, and begins with the fixed values."""
    job = from_file(program("rt_mutations.py"), "ray-tune", {"name": "s"})
    assert job.scheduler.kind == "pbt"
    assert job.space["inner_factor"] == Choice((1, 2, 4))
    assert job.space["inner_size"] == 8
    assert job.space["layers"] == Choice((1, 2, 3))
    assert job.space["decay"] == Uniform(0, 1)
    assert job.start_with == ({"lr": 0.5, "inner_factor": 1},)
    run(job.replaced({"resources.workers": 0}), storage=tmp_path, note=lambda _: None)
    trials = load_results(tmp_path / "s").trials
    assert trials["state"].tolist() == ["completed"] * 4
    assert trials["epochs"].tolist() == [6] * 4
    assert len(set(trials["config_lr"])) > 1


def test_hyperparameters_that_ray_would_not_change_are_noted(program: Callable[[str], str]) -> None:
    """A population names the drawn hyperparameters that the program's scheduler would leave as they are."""
    path = Path(program("rt_pbt.py"))
    text = path.read_text().replace('"every": 2', '"every": 2, "width": tune.choice([16, 32])')
    assert "width" in text
    path.write_text(text)
    notes: list[str] = []
    from_file(str(path), "ray-tune", {}, notes.append)
    assert [note.partition(": ")[2] for note in notes] == [
        "The population also changes width, which Ray Tune would not: --set space.width=… fixes a value that must not "
        "change while a trial trains."
    ]
