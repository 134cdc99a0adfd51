"""Jobs from programs: which settings become those of the job, what options change, and what a study keeps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline import from_program, load_results, run
from pipeline.cli.commands import app
from pipeline.cli.job_options import JobOptions
from pipeline.errors import InvalidJob, UserError
from pipeline.storage import Store
from pipeline.study import TuneJob, load_study
from pipeline.text import notes_to

Program = Callable[[str], str]


def edited(path: str, before: str, after: str) -> str:
    text = Path(path).read_text()
    assert before in text
    Path(path).write_text(text.replace(before, after))
    return path


@pytest.mark.parametrize(("place", "library", "said"), [
    ("op_quad.py:objective", "optna", "optuna"),
    ("op_quad.py:objectiv", "optuna", "must be a name that the file defines"),
    ("rt_basic.py:objective", "ray-tune", "must be training_function"),
    ("kt_bad.py", "keras-tuner", "must be given"),
    ("kt_fit.py:MyHyperModel", "keras-tuner", "normalize"),
    ("kt_bad.py:kt", "keras-tuner", "must be build(hp)"),
    ("gone.py:objective", "optuna", "file"),
    ("pipeline.py", "optuna", "must not have the name of the module pipeline"),
])  # fmt: skip
def test_a_mistake_is_refused_with_what_is_allowed(place: str, library: str, said: str, program: Program) -> None:
    name, colon, function = place.partition(":")
    path = program("op_quad.py" if name == "pipeline.py" else name) if name != "gone.py" else name
    if name == "pipeline.py":
        path = path.replace("op_quad.py", name)
        Path(path).write_text("")
    if name == "kt_fit.py":
        edited(path, 'hp.Boolean("normalize")', 'hp.Float("normalize", 1, 2, sampling="reverse_log")')
    with pytest.raises(UserError) as raised:
        from_program(f"{path}{colon}{function}", library)
    assert said in str(raised.value)


def test_given_fields_count_more_than_those_of_the_program(program: Program) -> None:
    given = {"name": "own", "budget": {"trials": 2}, "seed": 5, "searcher": "sobol"}
    job = from_program(program("op_quad.py") + ":objective", "optuna", **given)
    assert (job.name, job.budget.trials, job.seed, job.searcher.kind) == ("own", 2, 5, "sobol")


@pytest.mark.parametrize(("fields", "said"), [({"space": 5}, "space"), ({"resources": "abc"}, "resources")])
def test_given_fields_of_another_type_are_faults(fields: dict[str, Any], said: str, program: Program) -> None:
    for name, library in (("rt_class.py", "ray-tune"), ("kt_value.py", "keras-tuner")):
        with pytest.raises(InvalidJob) as refused:
            from_program(program(name), library, **fields)
        assert refused.value.faults[0].field.startswith(said)


def test_a_seed_that_the_library_draws_is_the_same_each_time(program: Program) -> None:
    first, again = (from_program(program("kt_value.py"), "keras-tuner") for _ in range(2))
    assert first.seed == again.seed != 0


@pytest.mark.parametrize("name", ["rt_class.py", pytest.param("kt_value.py", marks=pytest.mark.long)])
def test_a_study_is_resumed_without_the_program(name: str, program: Program, tmp_path: Path) -> None:
    path, storage = program(name), str(tmp_path / "studies")
    library = {"rt": "ray-tune", "kt": "keras-tuner"}[name[:2]]
    words = ["--from", library, "--storage", storage, "--trials", "2", "--workers", "0", "--name", "s"]
    done = CliRunner().invoke(app, ["run", path, *words])
    assert done.exit_code == 0, done.output
    Path(path).unlink()
    done = CliRunner().invoke(app, ["resume", "s", "--storage", storage, "--trials", "3", "--workers", "0"])
    assert done.exit_code == 0, done.output
    assert len(load_results(tmp_path / "studies/s").trials) == 3
    job = load_study(Store(storage).folder("s"))
    assert TuneJob.from_json(job.to_json()) == job


def test_a_given_space_leaves_out_what_the_program_says_about_its_own(program: Program, tmp_path: Path) -> None:
    path = program("rt_mutations.py")
    job = from_program(path, "ray-tune")
    assert tuple(job.scheduler.explore) == ("lr", "inner_factor", "layers", "decay")
    options = JobOptions({"from_": "ray-tune", "set_": ['space={"lr": {"kind": "uniform", "low": 0.1, "high": 0.9}}']})
    assert options.job(path, str(tmp_path), resume=False).scheduler.explore is None


def test_enqueued_trials_are_the_first_configs(program: Program, tmp_path: Path) -> None:
    enqueued = [{"kind": "mean", "scale": 1.0}, {"kind": "scaled", "scale": 9.0, "curved": True, "power": 2}]
    enqueue = f"    [study.enqueue_trial(e) for e in {enqueued}]\n    study.optimize"
    path, notes = edited(program("op_data.py"), "    study.optimize", enqueue), list[str]()
    with notes_to(notes.append):
        job = from_program(path, "optuna")
    assert job.start_with == ({"kind": "mean", "scale": 1.0}, {"kind": "scaled", "curved": True, "power": 2})
    assert len(notes) == 1
    assert "scale=9.0" in notes[0]
    options = JobOptions({"from_": "optuna", "trials": 1})
    assert len(options.job(path, str(tmp_path), resume=False).start_with) == 1


@pytest.mark.parametrize(("arguments", "kind", "settings"), [
    ("pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=3)", "median", {"grace_period": 3}),
    ("pruner=optuna.pruners.SuccessiveHalvingPruner(2, 3)", "asha", {"grace_period": 2, "reduction_factor": 3}),
    ("pruner=optuna.pruners.HyperbandPruner(max_resource=9)", "hyperband", {"reduction_factor": 3}),
    ("pruner=optuna.pruners.NopPruner()", "fifo", {}),
    ("pruner=optuna.pruners.PatientPruner(optuna.pruners.MedianPruner(), 2)", "asha", {}),
    ("sampler=optuna.samplers.QMCSampler()", "median", {"searcher": "sobol"}),
    ("sampler=optuna.samplers.GridSampler({'alpha': [0.01, 0.05]})", "median", {"searcher": "grid", "trials": 2}),
])  # fmt: skip
def test_settings_of_an_optuna_study_are_those_of_the_job(
    arguments: str, kind: str, settings: dict[str, Any], program: Program
) -> None:
    path = edited(program("op_prune.py"), "pruner=optuna.pruners.MedianPruner(n_warmup_steps=3)", arguments)
    job = from_program(path, "optuna")
    assert job.scheduler.kind == kind
    found = {"searcher": job.searcher.kind, "trials": job.budget.trials}
    assert {name: found.get(name, getattr(job.scheduler, name, None)) for name in settings} == settings


@pytest.mark.parametrize("late", [False, True])
def test_constraints_of_optuna_are_a_bound(late: bool, program: Program, tmp_path: Path) -> None:
    sampler = "sampler=optuna.samplers.TPESampler(constraints_func=lambda trial: [4 - trial.params['x'], -1]), "
    path = edited(program("op_quad.py"), "create_study(", f"create_study({'' if late else sampler}")
    edited(path, "    return (x", f"    {late} and trial.set_constraint('x', 4 - x)\n    return (x")
    job = from_program(path, "optuna", budget={"trials": 12}, resources={"workers": 0}, name="s")
    results = run(job, storage=tmp_path, note=lambda _: None)
    assert results.best.config["x"] >= 4
    assert (results.trials["objective"] < results.best.value).any()


def test_the_first_value_of_a_step_of_optuna_counts(program: Program) -> None:
    report = 'self.trial.report(logs["loss"], step=epoch)'
    attribute, end = "self.trial.set_user_attr('value', 9)", "\n        "
    twice = f"{attribute}{end}self.trial.report(epoch, step=epoch){end}self.trial.report(9, step=epoch)"
    job = from_program(edited(program("op_callback.py"), report, twice), "optuna")
    assert job.function is not None
    epochs = job.function({"lr": 0.1, "rate": 0.1, "batch": 16})
    assert [epoch["value"] for epoch in epochs] == [0, 1, 2]


@pytest.mark.parametrize(("scheduler", "kind", "settings"), [
    (
        "ASHAScheduler(max_t=9, grace_period=2, reduction_factor=3)",
        "asha",
        {"grace_period": 2, "reduction_factor": 3},
    ),
    ("HyperBandScheduler(max_t=9)", "hyperband", {"reduction_factor": 3}),
    ("MedianStoppingRule(grace_period=2, min_samples_required=4)", "median", {"min_samples_required": 4}),
    ("FIFOScheduler()", "fifo", {}),
    ("ResourceChangingScheduler()", "promoting-asha", {}),
])  # fmt: skip
def test_a_scheduler_of_ray_tune_becomes_that_of_the_job(
    scheduler: str, kind: str, settings: dict[str, Any], program: Program
) -> None:
    path = edited(program("rt_class.py"), "num_samples=4", f"num_samples=4, scheduler=schedulers.{scheduler}")
    edited(path, "import json", "from ray.tune import schedulers\nimport json")
    job = from_program(path, "ray-tune")
    assert job.scheduler.kind == kind
    assert {name: getattr(job.scheduler, name) for name in settings} == settings


def test_all_bundles_of_ray_tune_are_requested_and_its_first_start_restores_nothing(program: Program) -> None:
    bundles = "tune.PlacementGroupFactory([{'CPU': 1}, {'CPU': 2, 'GPU': 1, 'tpu': 1}])"
    path = edited(
        program("rt_class.py"),
        "    Guess,",
        f"    tune.Tuner.can_restore('x') or tune.with_resources(Guess, {bundles}),",
    )
    job = from_program(path, "ray-tune")
    assert (job.resources.cpus, job.resources.gpus) == (3, 1)


@pytest.mark.parametrize("rule", ["'score': 0.0", "'training_iteration': 1"])
def test_bounds_end_a_trial_after_its_report(rule: str, program: Program, tmp_path: Path) -> None:
    path = edited(program("rt_class.py"), '"training_iteration": 6', f"'training_iteration': 6, {rule}")
    resources = {"workers": 0}
    job = from_program(path, "ray-tune", budget={"trials": 2}, resources=resources, name="s", scheduler="fifo")
    run(job, storage=tmp_path, note=lambda _: None)
    assert list(load_results(tmp_path / "s").trials["epochs"]) == [1, 1]


def test_a_space_within_a_search_of_ray_tune_is_refused(program: Program) -> None:
    path = edited(program("rt_search.py"), "    param_space=", "    run_config=None) if 1 else dict(x=")
    with pytest.raises(InvalidJob) as refused:
        from_program(path, "ray-tune")
    assert [fault.field for fault in refused.value.faults] == ["param_space"]


def test_an_error_of_the_program_is_a_users_mistake_with_its_line(program: Program) -> None:
    path = edited(program("op_quad.py"), "return (x", "return 1 / 0, (x")
    with pytest.raises(InvalidJob) as refused:
        from_program(path, "optuna")
    assert [fault.field for fault in refused.value.faults] == ["op_quad.py, line 7"]
