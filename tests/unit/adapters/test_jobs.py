"""Jobs from programs: by a file's name on the command line, and from objects in Python."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline import LogUniform, Objective, from_optuna, from_ray_tune, load_results, run
from pipeline.adapters import from_file
from pipeline.cli.commands import app
from pipeline.cli.job_changes import job_of
from pipeline.code import snapshot_of
from pipeline.errors import InvalidJob, JobNotFound, UserError
from pipeline.storage import Store
from pipeline.study import TuneJob, load_study, save_study


def command(*words: str) -> Any:
    """A command of tunepipe, in this process."""
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize(
    ("place", "library", "message"),
    [
        ("op_quad.py:objective", "hyperopt", "tunepipe translates programs of keras-tuner, optuna, ray-tune"),
        ("op_quad.py:objectiv", "optuna", "must be a name that the file defines, such as objective"),
        (
            "op_ask.py:other",
            "optuna",
            "must be a name that the file defines before op_ask.py, line 10, where its search starts",
        ),
        ("rt_bad.py", "ray-tune", "must be given, as in rt_bad.py:NAME, because the file does not call tuner.fit"),
        ("op_quad.py:objective", "optna", "Did you mean optuna"),
    ],
)
def test_a_mistake_is_reported(place: str, library: str, message: str, program: Callable[[str], str]) -> None:
    """A mistake in naming a program, its library or its function is reported with what is allowed."""
    name, colon, function = place.partition(":")
    with pytest.raises(UserError) as raised:
        from_file(f"{program(name)}{colon}{function}", library, {})
    assert message in " ".join(str(raised.value).split())


def test_a_file_in_the_home_folder_of_no_user_is_refused() -> None:
    """A program in the home folder of a user who does not exist is refused in a sentence."""
    with pytest.raises(JobNotFound, match="There is no job file ~"):
        from_file("~nobody-of-that-name/x.py:objective", "optuna", {})


def test_a_file_whose_name_cannot_be_imported_is_refused(program: Callable[[str], str]) -> None:
    """A program whose file name Python cannot import is refused, because a worker imports it by name."""
    path = Path(program("op_quad.py"))
    other = path.rename(path.with_name("op-quad.py"))
    with pytest.raises(InvalidJob, match="must have a name that Python can import"):
        from_file(f"{other}:objective", "optuna", {})


def test_given_fields_count_more_than_those_of_the_program(program: Callable[[str], str]) -> None:
    """Fields given in the call override those of the program, and parts such as the budget are merged."""
    given = {"name": "own", "budget": {"trials": 2}, "seed": 5, "searcher": "sobol"}
    job = from_file(program("op_prune.py") + ":objective", "optuna", given)
    assert (job.name, job.budget.trials, job.budget.epochs, job.seed) == ("own", 2, 20, 5)
    assert job.searcher.kind == "sobol"


def test_a_study_has_a_copy_of_the_program(program: Callable[[str], str], tmp_path: Path) -> None:
    """A study has copies of the program and of the module that makes its job, and loads the same job from them."""
    job = from_file(program("op_quad.py") + ":objective", "optuna", {})
    snapshot = snapshot_of(job.functions.values())
    assert {"op_quad.py", "op_quad_from_optuna.py"} <= snapshot.files.keys()
    store = Store(tmp_path / "study")
    save_study(store, job, snapshot=snapshot)
    assert load_study(store) == job
    assert TuneJob.from_json(job.to_json()) == job


def test_a_study_of_a_program_is_resumed_without_the_program(program: Callable[[str], str], tmp_path: Path) -> None:
    """A study of an Optuna program that the command ran can be resumed after the program's file was deleted."""
    path, storage = program("op_quad.py"), str(tmp_path / "studies")
    words = ["--from", "optuna", "--storage", storage, "--trials", "2", "--workers", "0"]
    assert command("run", f"{path}:objective", *words).exit_code == 0
    Path(path).unlink()
    done = command("resume", "op-quad-objective", "--storage", storage, "--trials", "4", "--workers", "0")
    assert done.exit_code == 0, done.output
    assert len(load_results(tmp_path / "studies/op-quad-objective").trials) == 4


def test_an_unsupported_program_ends_the_command_with_2(program: Callable[[str], str], tmp_path: Path) -> None:
    """A program that cannot be translated ends the command with exit code 2 and the program's line."""
    done = command("run", program("op_dep.py") + ":objective", "--from", "optuna", "--storage", str(tmp_path))
    assert isinstance(done.exception, UserError)
    assert "op_dep.py, line 6" in str(done.exception)
    assert done.exception.exit_code == 2


def quadratic(trial: Any) -> Any:
    """Two values."""
    x = trial.suggest_float("x", 0, 1)
    return x**2, (x - 1) ** 2


def constant(config: Any) -> Any:
    """Returns its value."""
    return {"y": config["x"]}


def test_functions_of_python_become_jobs(tmp_path: Path) -> None:
    """Functions passed in Python become jobs that run, and a job of a lambda is not resumable."""
    from ray import tune

    both = [Objective("small", "min"), Objective("near", "min")]
    job = from_optuna(quadratic, objectives=both, budget={"trials": 3}, resources={"workers": 0}, name="q")
    run(job, storage=tmp_path, note=lambda _: None)
    epochs = load_results(tmp_path / "q").epochs
    assert ((epochs["near"] - (epochs["config_x"] - 1) ** 2).abs() < 1e-12).all()
    local = from_ray_tune(
        lambda config: constant(config), {"x": tune.choice([1, 2])}, objectives=[Objective("y", "max")], name="y",
        budget={"trials": 2}, resources={"workers": 0},
    )  # fmt: skip
    assert not local.resumable
    run(local, storage=tmp_path, note=lambda _: None)
    assert load_results(tmp_path / "y").best.value == 2


def test_a_function_without_a_file_has_the_name_that_a_file_would_give_it() -> None:
    """A job from an object of a notebook shows its functions under their names in a file, not as lambdas."""
    job = from_optuna(lambda trial: trial.suggest_float("x", 0, 1))
    assert job.functions["function"].__qualname__ == "objective"


_EXPLORED = {"lr": None, "inner_factor": None, "layers": None, "decay": LogUniform(1e-4, 1e-2)}


@pytest.mark.parametrize(
    ("changes", "explore", "starts"),
    [
        ({}, _EXPLORED, 1),
        ({"space.decay": 0.5, "space.lr": 0.1}, dict.fromkeys(_EXPLORED), 1),
        ({"space.decay.high": 0.005}, dict.fromkeys(_EXPLORED), 1),
        ({"space.lr": 0.1, "space.inner_factor": 2}, _EXPLORED, 0),
        ({"scheduler": "asha", "space.decay": 0.5}, None, 1),
    ],
)
def test_a_users_hyperparameters_take_precedence(
    changes: dict[str, Any], explore: Any, starts: int, program: Callable[[str], str], tmp_path: Path
) -> None:
    """What a program says about a hyperparameter that a user changes, first values and domains, is left out."""
    job = job_of(program("rt_mutations.py"), changes, str(tmp_path), resume=False, library="ray-tune")
    assert getattr(job.scheduler, "explore", None) == explore
    assert len(job.start_with) == starts
    assert not any(name in start for start in job.start_with for name in ("lr", "decay") if f"space.{name}" in changes)


def test_a_program_begins_as_many_trials_as_the_user_wants(program: Callable[[str], str], tmp_path: Path) -> None:
    """First configs of a program beyond the number of trials that the command line gives are left out."""
    path = Path(program("rt_pbt.py"))
    text = path.read_text().replace('"lr": tune.uniform(0, 1)}', '"lr": tune.uniform(0, 3)}', 1)
    path.write_text(text)
    for trials in (2, 7):
        job = job_of(str(path), {"budget.trials": trials}, str(tmp_path), resume=False, library="ray-tune")
        assert (job.budget.trials, len(job.start_with)) == (trials, trials)
    path = Path(program("op_quad.py"))
    search = "study.optimize("
    path.write_text(
        path.read_text().replace(search, f"[study.enqueue_trial({{'x': x}}) for x in (1, 2, 3)]\n    {search}")
    )
    job = job_of(str(path), {"budget.trials": 2}, str(tmp_path), resume=False, library="optuna")
    assert len(job.start_with) == 2


@pytest.mark.parametrize(
    ("before", "after", "count"), [([], ["--trials", "6"], 6), (["--trials", "2"], [], 2), (["--trials", "6"], [], 6)]
)
@pytest.mark.parametrize("library", ["ray-tune", "optuna"])
def test_a_program_is_resumed_with_another_number_of_trials(
    before: list[str], after: list[str], count: int, library: str, program: Callable[[str], str], tmp_path: Path
) -> None:
    """A study whose trials begin as its program says is resumed from the program with more or fewer trials."""
    storage, place = str(tmp_path / "studies"), program("rt_pbt.py" if library == "ray-tune" else "op_quad.py")
    text = Path(place).read_text().replace('"lr": tune.uniform(0, 1)}', '"lr": tune.uniform(0, 3)}', 1)
    search, queued = "study.optimize(", "[study.enqueue_trial({'x': x}) for x in (1, 2, 3, 4)]"
    Path(place).write_text(text.replace(search, f"{queued}\n    {search}").replace("n_trials=6", "n_trials=4"))
    words = ["run", place, "--from", library, "--name", "s", "--storage", storage, "--workers", "0"]
    assert command(*words, *before).exit_code == 0
    first = load_study(Store(storage).folder("s")).start_with
    done = command(*words, "--resume", *after)
    assert done.exit_code == 0, (done.output, done.exception)
    assert len(load_results(tmp_path / "studies/s").trials) == count
    starts = load_study(Store(storage).folder("s")).start_with
    assert starts[: len(first)] == first
    # A population of Ray Tune draws the first values of all trials; the other program enqueues four.
    assert len(starts) == (count if library == "ray-tune" else min(count, 4))
    if library == "optuna":
        # A population changes its configs.
        drawn = load_results(tmp_path / "studies/s").trials
        assert [start["x"] for start in starts] == list(drawn["config_x"][: len(starts)])


def test_a_program_keeps_its_studys_starts_once_the_searcher_has_drawn(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    """A program with further first configs continues with those of its study if the searcher has drawn trials."""
    storage, place = str(tmp_path / "studies"), program("op_quad.py")
    search, queued = "study.optimize(", "[study.enqueue_trial({'x': x}) for x in (1, 2, 3, 4)]"
    Path(place).write_text(Path(place).read_text().replace(search, f"{queued}\n    {search}"))
    words = ["run", place, "--from", "optuna", "--name", "s", "--storage", storage, "--workers", "0"]
    assert command(*words, "--trials", "2").exit_code == 0
    assert command("resume", f"{storage}/s", "--trials", "4", "--workers", "0").exit_code == 0
    first = load_study(Store(storage).folder("s")).start_with
    assert len(first) == 2
    done = command(*words, "--resume", "--trials", "5")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "The study keeps its own start_with: 2 configs, not 4." in done.output
    assert load_study(Store(storage).folder("s")).start_with == first
    assert len(load_results(tmp_path / "studies/s").trials) == 5


def test_a_space_that_the_user_gives_replaces_that_of_the_program(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    """Where a user gives the space, the first values and the mutations of the program that lie in it are kept."""
    space = {"lr": {"kind": "uniform", "low": 0.6, "high": 0.9}, "layers": {"kind": "choice", "values": [1, 5]}}
    job = job_of(program("rt_mutations.py"), {"space": space}, str(tmp_path), resume=False, library="ray-tune")
    assert list(job.space) == ["lr", "layers"]
    assert job.scheduler.kind == "pbt"
    assert job.scheduler.explore == ("lr", "layers")
    assert job.start_with == ()
    wider = {**space, "lr": {"kind": "uniform", "low": 0.1, "high": 0.9}}
    job = job_of(program("rt_mutations.py"), {"space": wider}, str(tmp_path), resume=False, library="ray-tune")
    assert job.start_with == ({"lr": 0.5},)
