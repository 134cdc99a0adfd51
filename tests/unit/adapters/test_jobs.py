"""Jobs from programs: by a file's name on the command line, and from objects in Python."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline import Objective, from_keras_tuner, from_optuna, from_ray_tune, load_results, run
from pipeline.adapters import from_file
from pipeline.cli.commands import app
from pipeline.cli.job_options import job_of
from pipeline.errors import InvalidJob, UserError
from pipeline.storage import Store
from pipeline.study import TuneJob, load_study

Program = Callable[[str], str]


def command(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize(
    ("place", "library", "said"),
    [
        ("op_quad.py:objective", "optna", "optuna"),
        ("op_quad.py:objectiv", "optuna", "objective"),
        ("op_ask.py:other", "optuna", "op_ask.py, line 10"),
        ("rt_bad.py", "ray-tune", "tuner.fit()"),
        ("op-quad.py:objective", "optuna", "import"),
        ("gone.py:objective", "optuna", "file"),
    ],
)
def test_a_mistake_is_refused_with_what_is_allowed(place: str, library: str, said: str, program: Program) -> None:
    name, colon, function = place.partition(":")
    path = Path(program(name.replace("-", "_"))) if name != "gone.py" else Path(name)
    if "-" in name:
        path = path.rename(path.with_name(name))
    with pytest.raises(UserError) as raised:
        from_file(f"{path}{colon}{function}", library, {})
    assert said in str(raised.value)


def test_given_fields_count_more_than_those_of_the_program(program: Program) -> None:
    given = {"name": "own", "budget": {"trials": 2}, "seed": 5, "searcher": "sobol"}
    job = from_file(program("op_quad.py") + ":objective", "optuna", given)
    assert (job.name, job.budget.trials, job.seed, job.searcher.kind) == ("own", 2, 5, "sobol")


@pytest.mark.parametrize("name", ["rt_class.py", "kt_value.py"])
def test_a_study_is_resumed_without_the_program(name: str, program: Program, tmp_path: Path) -> None:
    path, storage = program(name), str(tmp_path / "studies")
    library = {"rt": "ray-tune", "kt": "keras-tuner"}[name[:2]]
    words = ["--from", library, "--storage", storage, "--trials", "2", "--workers", "0", "--name", "s"]
    done = command("run", path, *words)
    assert done.exit_code == 0, done.output
    Path(path).unlink()
    done = command("resume", "s", "--storage", storage, "--trials", "3", "--workers", "0")
    assert done.exit_code == 0, done.output
    assert len(load_results(tmp_path / "studies/s").trials) == 3
    job = load_study(Store(storage).folder("s"))
    assert TuneJob.from_json(job.to_json()) == job


def quadratic(trial: Any) -> Any:
    x = trial.suggest_float("x", 0, 1)
    return x**2, (x - 1) ** 2


def build(hp: Any) -> Any:
    import keras

    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, hp.Choice("kind", ["softmax", "sigmoid"]))])
    model.compile("sgd", "categorical_crossentropy")
    return model


def test_objects_become_jobs_that_run(tmp_path: Path) -> None:
    from ray import tune

    both = [Objective("small", "min"), Objective("near", "min")]
    common = {"budget": {"trials": 2, "epochs": 1}, "resources": {"workers": 0}}
    jobs = [
        from_optuna(quadratic, objectives=both, name="q", **common),
        from_ray_tune(
            lambda config: {"y": config["x"]}, {"x": tune.choice([1, 2])}, objectives=[Objective("y", "max")], name="y",
            **common,
        ),
        from_keras_tuner(build, data="digits", name="k", **common),
    ]  # fmt: skip
    for job in jobs:
        run(job, storage=tmp_path, note=lambda _: None)
    epochs = load_results(tmp_path / "q").epochs
    assert ((epochs["near"] - (epochs["config_x"] - 1) ** 2).abs() < 1e-12).all()
    assert load_results(tmp_path / "y").best.value == 2
    assert load_results(tmp_path / "k").trials["objective"].notna().all()
    assert from_optuna(lambda trial: trial.suggest_float("x", 0, 1)).functions["function"].__qualname__ == "objective"


SPACE = {"lr": {"kind": "uniform", "low": 0.1, "high": 0.9}, "layers": {"kind": "choice", "values": [1, 5]}}


@pytest.mark.parametrize(
    ("changes", "explore", "starts"),
    [({}, ("lr", "inner_factor", "layers", "decay"), 1), ({"space.lr": 0.1}, None, 0), ({"space": SPACE}, None, 0)],
)
def test_a_users_space_leaves_out_what_the_program_says_about_its_own(
    changes: dict[str, Any], explore: Any, starts: int, program: Program, tmp_path: Path
) -> None:
    job = job_of(program("rt_mutations.py"), changes, str(tmp_path), resume=False, library="ray-tune")
    found = job.scheduler.explore
    assert (None if found is None else tuple(found)) == explore
    assert len(job.start_with) == starts


def test_enqueued_trials_are_the_first_configs(program: Program, tmp_path: Path) -> None:
    path = Path(program("op_data.py"))
    enqueued = [{"kind": "mean", "scale": 1.0}, {"kind": "scaled", "scale": 9.0, "curved": True, "power": 2}]
    text = path.read_text().replace(
        "    study.optimize", f"    [study.enqueue_trial(e) for e in {enqueued}]\n    study.optimize"
    )
    path.write_text(text)
    notes: list[str] = []
    job = from_file(str(path), "optuna", {}, notes.append)
    assert job.start_with == ({"kind": "mean"}, {"kind": "scaled", "curved": "True", "power": 2})
    assert len(notes) == 1
    assert "scale=9.0" in notes[0]
    assert len(job_of(str(path), {"budget.trials": 1}, str(tmp_path), resume=False, library="optuna").start_with) == 1


@pytest.mark.parametrize(
    ("arguments", "kind", "settings"),
    [
        ("pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=3)", "median", {"grace_period": 3}),
        ("pruner=optuna.pruners.SuccessiveHalvingPruner(2, 3)", "asha", {"grace_period": 2, "reduction_factor": 3}),
        ("pruner=optuna.pruners.HyperbandPruner(max_resource=9)", "hyperband", {"reduction_factor": 3}),
        ("pruner=optuna.pruners.NopPruner()", "fifo", {}),
        ("pruner=optuna.pruners.PatientPruner(optuna.pruners.MedianPruner(), 2)", "median", {}),
        ("sampler=optuna.samplers.QMCSampler()", "median", {"searcher": "sobol"}),
        ("sampler=optuna.samplers.GridSampler({'alpha': [0.01, 0.05]})", "median", {"searcher": "grid", "trials": 2}),
    ],
)
def test_settings_of_an_optuna_study_are_those_of_the_job(
    arguments: str, kind: str, settings: dict[str, Any], program: Program
) -> None:
    path = Path(program("op_prune.py"))
    text = path.read_text().replace("pruner=optuna.pruners.MedianPruner(n_warmup_steps=3)", arguments)
    path.write_text(text)
    job = from_file(str(path), "optuna", {})
    assert job.scheduler.kind == kind
    found = {"searcher": job.searcher.kind, "trials": job.budget.trials}
    assert {name: found.get(name, getattr(job.scheduler, name, None)) for name in settings} == settings


@pytest.mark.parametrize(
    ("scheduler", "kind", "settings"),
    [
        (
            "ASHAScheduler(max_t=9, grace_period=2, reduction_factor=3)",
            "asha",
            {"grace_period": 2, "reduction_factor": 3},
        ),
        ("HyperBandScheduler(max_t=9)", "hyperband", {"reduction_factor": 3}),
        ("MedianStoppingRule(grace_period=2, min_samples_required=4)", "median", {"min_samples_required": 4}),
        ("FIFOScheduler()", "fifo", {}),
        ("ResourceChangingScheduler()", "promoting-asha", {}),
    ],
)
def test_a_scheduler_of_ray_tune_becomes_that_of_the_job(
    scheduler: str, kind: str, settings: dict[str, Any], program: Program
) -> None:
    path = Path(program("rt_class.py"))
    text = path.read_text().replace("num_samples=4", f"num_samples=4, scheduler=schedulers.{scheduler}")
    path.write_text("from ray.tune import schedulers\n" + text)
    job = from_file(str(path), "ray-tune", {})
    assert job.scheduler.kind == kind
    assert {name: getattr(job.scheduler, name) for name in settings} == settings


def test_stoppers_and_bounds_end_a_trial_after_its_report(program: Program, tmp_path: Path) -> None:
    path = Path(program("rt_class.py"))
    bounds = "stop={'training_iteration': 6, 'score': 0.0}"
    path.write_text(path.read_text().replace('stop={"training_iteration": 6}', bounds))
    job = from_file(
        str(path), "ray-tune", {"budget": {"trials": 2}, "resources": {"workers": 0}, "name": "s", "scheduler": "fifo"}
    )
    run(job, storage=tmp_path, note=lambda _: None)
    assert list(load_results(tmp_path / "s").trials["epochs"]) == [1, 1]


def test_an_error_of_the_program_is_a_users_mistake_with_its_line(program: Program) -> None:
    path = Path(program("op_quad.py"))
    path.write_text(path.read_text().replace("return (x", "return 1 / 0, (x"))
    with pytest.raises(InvalidJob) as refused:
        from_file(str(path), "optuna", {})
    assert [fault.field for fault in refused.value.faults] == ["op_quad.py, line 7"]
