"""What a population of Ray Tune changes, as a part of the space and of the scheduler."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from pipeline import IntUniform, LogUniform, Normal, Uniform, load_results, run
from pipeline.adapters import from_file
from pipeline.adapters.jobs import LIBRARIES
from pipeline.adapters.program import load
from pipeline.adapters.ray_tune.mutations import Mutations, mutations_of
from pipeline.adapters.ray_tune.param_space import config_of, space_of_ray
from pipeline.errors import InvalidJob
from pipeline.space import Choice, Grid
from pipeline.training.function import FunctionLearner


def space_of(found: Mutations) -> dict[str, Any]:
    """The space of a param_space with mutations."""
    return space_of_ray(found.space, "the program", "", "")


def test_fixed_and_missing_hyperparameters_are_drawn() -> None:
    """A fixed or missing hyperparameter gets the values of its mutation, in nested dicts, too."""
    mutations = {"a": [1, 2], "b": tune.uniform(0, 2), "c": [3], "d": {"e": [7, 8]}}
    found = mutations_of({"a": 1, "c": 3, "d": {"f": 9}}, mutations)
    assert space_of(found) == {"a": Choice((1, 2)), "c": 3, "d_f": 9, "d_e": Choice((7, 8)), "b": Uniform(0, 2)}
    assert found.explore == {"a": None, "b": None, "d_e": None}
    assert found.first_values == {}


@pytest.mark.parametrize(
    ("own", "drawn", "space", "explore", "begins"),
    [
        (tune.uniform(0, 1), tune.uniform(0, 1), Uniform(0, 1), None, None),
        (tune.uniform(0, 1), tune.loguniform(1e-4, 1e-2), Uniform(0, 1), LogUniform(1e-4, 1e-2), None),
        (tune.uniform(0.001, 1), tune.uniform(0.0001, 1), Uniform(0.0001, 1), None, Uniform(0.001, 1)),
        (tune.uniform(0.001, 1), [0.8, 0.9], Uniform(0.001, 1), Choice((0.8, 0.9)), None),
        (tune.uniform(0.1, 0.5), [0.2, 0.9], Uniform(0.1, 0.9), Choice((0.2, 0.9)), Uniform(0.1, 0.5)),
        (tune.loguniform(1e-3, 1), tune.uniform(0, 2), Uniform(0, 2), None, LogUniform(1e-3, 1)),
        (
            tune.loguniform(1e-3, 1),
            tune.uniform(1e-4, 0.1),
            LogUniform(1e-4, 1),
            Uniform(1e-4, 0.1),
            LogUniform(1e-3, 1),
        ),
        (tune.choice([1e-3, 1e-2]), tune.uniform(1e-4, 1e-2), Uniform(1e-4, 1e-2), None, Choice((1e-3, 1e-2))),
        (tune.grid_search([0.1, 0.5]), tune.uniform(0, 0.2), Uniform(0, 0.5), Uniform(0, 0.2), Grid((0.1, 0.5))),
        (tune.grid_search([1, 2]), [1, 2], Grid((1, 2)), Choice((1, 2)), None),
        (tune.choice(["a", "b"]), ["b", "c"], Choice(("a", "b", "c")), Choice(("b", "c")), Choice(("a", "b"))),
        (tune.choice([16, 32]), tune.uniform(8.2, 64), IntUniform(8, 64), None, Choice((16, 32))),
        (tune.randint(1, 5), tune.uniform(2, 3), IntUniform(1, 4), IntUniform(2, 3), None),
        (tune.randn(0, 1), tune.uniform(0, 1), Normal(0, 1), Uniform(0, 1), None),
        (0.5, tune.uniform(0, 1), Uniform(0, 1), None, None),
        (0.9, [0.8, 0.99], Choice((0.8, 0.9, 0.99)), Choice((0.8, 0.99)), Choice((0.8, 0.99))),
        (0.9, [0.8], Choice((0.8, 0.9)), Choice((0.8,)), Choice((0.8,))),
        (5.0, tune.uniform(0, 1), Uniform(0, 5.0), Uniform(0, 1), Uniform(0, 1)),
        (32, lambda: 16.0, Choice((16.0, 32)), Choice((16.0,)), Choice((16.0,))),
    ],
)
def test_a_hyperparameter_begins_in_its_own_domain(own: Any, drawn: Any, space: Any, explore: Any, begins: Any) -> None:
    """The space has the first values of a hyperparameter and those to which it changes, and each domain is kept.

    Whole numbers stay whole. A fixed value beyond the mutation leaves the first values of other trials within it.
    """
    found = mutations_of({"a": own}, {"a": drawn})
    assert space_of(found) == {"a": space}
    assert found.explore == {"a": explore}
    assert found.first_values == ({} if begins is None else {"a": begins})


@pytest.mark.parametrize("mutations", [{}, {"weight": {1: tune.uniform(1, 9), 2: [3, 4]}, 5: [6, 7]}])
def test_keys_that_are_not_text_stay(mutations: dict[Any, Any]) -> None:
    """Keys of a param_space and of mutations stay numbers, and a mutation finds its hyperparameter by them."""
    found = mutations_of({"weight": {0: 1.0, 1: tune.uniform(1, 5)}}, mutations)
    assert list(found.space["weight"]) == [0, 1, *([2] if mutations else [])]
    assert list(found.space) == ["weight", *([5] if mutations else [])]
    config = {"weight_1": 2.5} | ({"weight_2": 3, "x_5": 6} if mutations else {})
    whole = {"weight": {0: 1.0, 1: 2.5} | ({2: 3} if mutations else {})} | ({5: 6} if mutations else {})
    assert config_of(found.space, config) == whole


def test_values_of_two_kinds_are_refused() -> None:
    """First values as text that a population would change to numbers are a fault, and the param_space keeps them."""
    found = mutations_of({"a": {"b": tune.choice(["x", "y"])}}, {"a": {"b": tune.uniform(0, 1)}, "c": [1, 2]})
    (fault,) = found.faults
    assert fault.startswith("a.b must have values of one kind in the param_space and here")
    assert space_of(found) == {"a_b": Choice(("x", "y")), "c": Choice((1, 2))}


def test_the_bounds_of_pb2_are_ranges() -> None:
    """The two bounds that PB2 has for a hyperparameter are the ends of its range, of whole numbers if it begins so."""
    found = mutations_of({"a": 1.0, "n": 4}, {"a": [0.5, 2], "b": {"c": [1, 3]}, "n": [2, 8]}, bounds=True)
    assert space_of(found) == {"a": Uniform(0.5, 2), "n": IntUniform(2, 8), "b_c": Uniform(1, 3)}


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
    space = space_of(mutations_of({}, drawn))
    assert random.getstate() == state
    assert space == space_of(mutations_of({}, drawn))
    assert space["few"] == Choice(("x", "y"))
    assert isinstance(space["many"], IntUniform)
    assert 1 <= space["many"].low < 20
    assert 980 < space["many"].high <= 1000
    assert isinstance(space["real"], Uniform)
    assert 2 <= space["real"].low < 2.05
    assert 3.95 < space["real"].high <= 4


def test_a_population_of_fixed_values_has_a_space(program: Callable[[str], str], tmp_path: Path) -> None:
    """A population whose hyperparameters are fixed in param_space draws them; its first trial has the fixed values."""
    notes: list[str] = []
    job = from_file(program("rt_mutations.py"), "ray-tune", {"name": "s"}, notes.append)
    assert "Only the first trial begins with lr=0.5 and inner_factor=1." in notes[0]
    assert job.scheduler.kind == "pbt"
    assert job.space["inner_factor"] == Choice((1, 2, 4))
    assert job.space["inner_size"] == 8
    assert job.space["layers"] == Choice((1, 2, 3))
    assert job.space["decay"] == Uniform(0, 1)
    explore = {"lr": None, "inner_factor": None, "layers": None, "decay": LogUniform(1e-4, 1e-2)}
    assert job.scheduler.explore == explore
    assert job.start_with == ({"lr": 0.5, "inner_factor": 1},)
    run(job.replaced({"resources.workers": 0}), storage=tmp_path, note=lambda _: None)
    results = load_results(tmp_path / "s")
    assert results.trials["state"].tolist() == ["completed"] * 4
    assert results.trials["epochs"].tolist() == [6] * 4
    assert len(set(results.trials["config_lr"])) > 1


def test_a_population_changes_what_the_program_names(program: Callable[[str], str], tmp_path: Path) -> None:
    """A population changes the hyperparameters that the program's scheduler names; the others are the donor's."""
    path = Path(program("rt_pbt.py"))
    text = path.read_text().replace('"every": 2', '"every": 2, "width": tune.choice([16, 32, 64, 128])')
    path.write_text(text.replace("perturbation_interval=2", "burn_in_period=2, perturbation_interval=2"))
    notes: list[str] = []
    given = {"name": "s", "resources": {"workers": 0}}
    job = from_file(str(path), "ray-tune", given, notes.append)
    assert notes == []
    assert job.scheduler.explore == ("lr",)
    assert job.scheduler.grace_period == 2
    run(job, storage=tmp_path, note=lambda _: None)
    decisions = load_results(tmp_path / "s").decisions
    explored = decisions[decisions["kind"] == "explore"]
    assert len(explored)
    assert explored["reason"].str.contains("width stays").all()


def test_first_values_are_drawn_from_the_param_space(program: Callable[[str], str]) -> None:
    """Where a population changes a hyperparameter to more values, each trial still begins in the param_space."""
    path = Path(program("rt_pbt.py"))
    text = path.read_text().replace('"lr": tune.uniform(0, 1)}', '"lr": tune.uniform(0, 3)}', 1)
    path.write_text(text.replace('"lr": tune.uniform(0, 1), "every"', '"lr": tune.uniform(1, 2), "every"'))
    job = from_file(str(path), "ray-tune", {"budget": {"trials": 6}})
    assert (job.space["lr"], job.scheduler.explore) == (Uniform(0, 3), ("lr",))
    firsts = [config["lr"] for config in job.start_with]
    assert len(set(firsts)) == 6
    assert all(1 <= value < 2 for value in firsts)
    other = from_file(str(path), "ray-tune", {"budget": {"trials": 6}, "seed": 1})
    assert firsts != [config["lr"] for config in other.start_with]


def test_a_fixed_value_beyond_its_mutation_begins_one_trial(program: Callable[[str], str]) -> None:
    """A fixed value beyond its mutation is the first trial's; the others begin within the mutation."""
    path = Path(program("rt_pbt.py"))
    path.write_text(path.read_text().replace('"lr": tune.uniform(0, 1), "every"', '"lr": 5.0, "every"'))
    job = from_file(str(path), "ray-tune", {})
    assert job.space["lr"] == Uniform(0, 5.0)
    first, *others = [config["lr"] for config in job.start_with]
    assert first == 5.0
    assert len(others) == 3
    assert all(0 <= value <= 1 for value in others)


def test_a_population_of_constants_changes_nothing(program: Callable[[str], str]) -> None:
    """Where each mutated hyperparameter has one value, the population changes none of the others."""
    path = Path(program("rt_pbt.py"))
    text = path.read_text().replace('"lr": tune.uniform(0, 1)}', '"lr": [0.1]}', 1)
    path.write_text(text.replace('"lr": tune.uniform(0, 1), "every": 2', '"lr": 0.1, "every": tune.choice([1, 2])'))
    job = from_file(str(path), "ray-tune", {})
    assert job.space == {"lr": 0.1, "every": Choice((1, 2))}
    assert job.scheduler.explore == ()


def test_values_of_two_kinds_in_a_program_are_refused(program: Callable[[str], str]) -> None:
    """A program whose param_space and mutation have values of two kinds is refused with the hyperparameter's name."""
    path = Path(program("rt_pbt.py"))
    path.write_text(path.read_text().replace('"lr": tune.uniform(0, 1), "every"', '"lr": "high", "every"'))
    with pytest.raises(InvalidJob, match=r"line \d+: lr must have values of one kind in the param_space and here"):
        from_file(str(path), "ray-tune", {})


@pytest.mark.parametrize(
    "change",
    [
        ('"lr": tune.uniform(0, 1), "every"', '"lr": tune.choice(["a", "b"]), "every"'),
        ('hyperparam_mutations={"lr": tune.uniform(0, 1)}', "custom_explore_fn=dict"),
    ],
)
def test_a_stored_study_of_a_population_that_is_refused_goes_on(
    change: tuple[str, str], program: Callable[[str], str]
) -> None:
    """The trials of a stored study train though a new study with such a population is refused."""
    path = Path(program("rt_pbt.py"))
    text = path.read_text().replace(*change)
    path.write_text(text.replace('value += config["lr"]', 'value += len(str(config["lr"]))'))
    adapter = LIBRARIES["ray-tune"].adapter(lambda: load(path, LIBRARIES["ray-tune"].patches), "")
    learner = FunctionLearner(adapter.steps, {"lr": "b"})
    assert learner.run_epoch().metrics["step"] == 1
    learner.close()


def test_a_function_alone_that_explores_is_refused(program: Callable[[str], str]) -> None:
    """A population that only a function of the program explores is refused with what is needed."""
    path = Path(program("rt_pbt.py"))
    path.write_text(
        path.read_text().replace('hyperparam_mutations={"lr": tune.uniform(0, 1)}', "custom_explore_fn=dict")
    )
    with pytest.raises(
        InvalidJob, match=r"line \d+: must come with hyperparam_mutations, .* found 'custom_explore_fn'"
    ):
        from_file(str(path), "ray-tune", {})
