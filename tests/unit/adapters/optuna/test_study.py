"""Optuna's studies."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from pipeline import ASHA, FIFO, Hyperband, MedianStopping, Uniform, load_results, run
from pipeline.adapters import from_file
from pipeline.errors import InvalidJob
from pipeline.schedulers import SchedulerSettings


def test_budget_direction_and_pruner_are_those_of_the_study(program: Callable[[str], str]) -> None:
    """A job from an Optuna program has the budget, the directions and the pruner of the program's study."""
    job = from_file(program("op_prune.py") + ":objective", "optuna", {})
    assert (job.budget.trials, job.budget.epochs, job.budget.seconds) == (6, 20, 600.0)
    assert (job.scheduler.kind, job.scheduler.grace_period) == ("median", 3)
    assert from_file(program("op_sklearn.py") + ":objective", "optuna", {}).objective.mode == "max"
    two = from_file(program("op_multi.py"), "optuna", {})
    assert [(one.metric, one.mode) for one in two.objectives] == [("value_0", "min"), ("value_1", "min")]


def test_a_hyperband_pruner_keeps_its_rungs(program: Callable[[str], str]) -> None:
    """Rungs of Optuna's Hyperband grow from its smallest resource by its factor, and those of the scheduler, too."""
    path = Path(program("op_prune.py"))
    pruner = re.search(r"optuna\.pruners\.\w+\([^)]*\)", path.read_text())
    assert pruner is not None
    changed = "optuna.pruners.HyperbandPruner(min_resource=2, reduction_factor=4)"
    path.write_text(path.read_text().replace(pruner[0], changed))
    assert from_file(f"{path}:objective", "optuna", {}).scheduler == Hyperband(grace_period=2, reduction_factor=4)


@pytest.mark.parametrize(
    ("pruner", "expected"),
    [
        ("MedianPruner()", MedianStopping(min_samples_required=5)),
        ("MedianPruner(n_startup_trials=0, n_warmup_steps=7)", MedianStopping(grace_period=7, min_samples_required=1)),
        ("MedianPruner(n_warmup_steps=30)", FIFO()),
        ("SuccessiveHalvingPruner()", ASHA(reduction_factor=4)),
        (
            "SuccessiveHalvingPruner(min_resource=2, reduction_factor=3, min_early_stopping_rate=1)",
            ASHA(grace_period=6, reduction_factor=3),
        ),
        ("SuccessiveHalvingPruner(min_resource=21)", FIFO()),
        ("HyperbandPruner(min_resource=25)", FIFO()),
    ],
)
def test_a_pruner_begins_as_in_optuna(program: Callable[[str], str], pruner: str, expected: SchedulerSettings) -> None:
    """The scheduler begins after as many trials and reports as the pruner, and none stops what a pruner never stops."""
    path = _changed(Path(program("op_prune.py")), "MedianPruner(n_warmup_steps=3)", pruner)
    notes: list[str] = []
    assert from_file(f"{path}:objective", "optuna", {}, notes.append).scheduler == expected
    assert [note for note in notes if "Pruner" in note] == []


def test_differing_arguments_of_a_pruner_are_noted(program: Callable[[str], str]) -> None:
    """Arguments of a pruner that its scheduler does not have are named with their values."""
    pruner = "PercentilePruner(25, interval_steps=3)"
    path = _changed(Path(program("op_prune.py")), "MedianPruner(n_warmup_steps=3)", pruner)
    notes: list[str] = []
    assert from_file(f"{path}:objective", "optuna", {}, notes.append).scheduler.kind == "median"
    assert "op_prune.py, line 24: percentile=25, interval_steps=3 of PercentilePruner are ignored." in notes


def test_an_objective_that_never_asks_is_never_stopped(program: Callable[[str], str]) -> None:
    """Trials of an objective that reports, but does not ask should_prune, are trained to their ends."""
    asks = "        if trial.should_prune():\n            raise optuna.TrialPruned()\n"
    path = _changed(Path(program("op_prune.py")), asks, "")
    assert from_file(f"{path}:objective", "optuna", {}).scheduler == FIFO()


def test_a_trial_that_its_program_prunes_is_not_the_best(program: Callable[[str], str], tmp_path: Path) -> None:
    """A trial whose objective raises TrialPruned by itself after reports fails, and the study continues after many."""
    path = Path(program("op_quad.py"))
    path.write_text(
        "import optuna\n\n"
        "def objective(trial):\n"
        "    x = trial.suggest_float('x', 0, 10)\n"
        "    for step in range(3):\n"
        "        if step == 2 and x < 5:\n"
        "            raise optuna.TrialPruned('diverges')\n"
        "        trial.report(x - step, step)\n"
        "        if trial.should_prune():\n"
        "            raise optuna.TrialPruned\n"
        "    return x\n\n"
        "study = optuna.create_study(pruner=optuna.pruners.NopPruner())\n"
        "for x in (0.5, 1, 2, 3, 10, 6):\n"
        "    study.enqueue_trial({'x': x})\n"
        "study.optimize(objective, n_trials=6)\n"
    )
    job = from_file(str(path), "optuna", {"name": "s", "resources": {"workers": 0}})
    run(job, storage=tmp_path, note=lambda _: None)
    results = load_results(tmp_path / "s")
    assert results.trials["state"].to_list() == ["failed"] * 4 + ["completed"] * 2
    assert results.trials["config_x"].to_list() == [0.5, 1, 2, 3, 10, 6]
    assert results.best is not None
    assert results.best.config == {"x": 6}


def test_trials_that_a_program_adds_are_noted(program: Callable[[str], str]) -> None:
    """Trials that a program adds to its study are left out with a note."""
    path = Path(program("op_quad.py"))
    first, _, _ = path.read_text().partition("if __name__")
    path.write_text(
        first + "\nstudy = optuna.create_study()\n"
        "study.add_trial(optuna.trial.create_trial(value=1.0))\n"
        "study.optimize(objective, n_trials=2)\n"
    )
    notes: list[str] = []
    from_file(str(path), "optuna", {}, notes.append)
    assert [note.partition(": ")[2] for note in notes] == ["1 trial that the study already has is ignored."]


def test_reports_of_a_callback_are_epochs(program: Callable[[str], str], tmp_path: Path) -> None:
    """A trial of an Optuna objective has one epoch for each report of its callback."""
    job = from_file(program("op_callback.py"), "optuna", {"name": "s", "scheduler": "fifo"})
    run(job.replaced({"budget.trials": 1, "resources.workers": 0}), storage=tmp_path, note=lambda _: None)
    results = load_results(tmp_path / "s")
    assert results.trials[["state", "epochs"]].to_numpy().tolist() == [["completed", 3]]
    assert results.trials[["config_lr", "config_batch"]].to_numpy().tolist() == [[0.01, 32]]


def test_a_pruner_says_the_length_of_trials_that_the_objective_does_not(program: Callable[[str], str]) -> None:
    """Trials of an objective whose reports cannot be counted have the largest resource of its Hyperband pruner."""
    path = Path(program("op_callback.py"))
    path.write_text(path.read_text().replace("ThresholdPruner(upper=1)", "HyperbandPruner(max_resource=9)"))
    assert from_file(str(path), "optuna", {}).budget.epochs == 9


def test_an_objective_that_prunes_without_reports_has_one_epoch(program: Callable[[str], str]) -> None:
    """A trial of an objective that gives configs up and never reports has one epoch: its value."""
    path = Path(program("op_quad.py"))
    first, _, rest = path.read_text().partition("    return")
    path.write_text(f"{first}    if x > 9:\n        raise optuna.TrialPruned('too large')\n    return{rest}")
    job = from_file(f"{path}:objective", "optuna", {})
    assert (job.budget.epochs, job.scheduler.kind != "median") == (1, True)
    assert job.function is not None
    steps: Any = job.function({"x": 9.5, "y": 2})
    with pytest.raises(optuna.TrialPruned, match="too large"):
        next(steps)


def test_arguments_that_are_left_out_are_noted_with_their_line(program: Callable[[str], str]) -> None:
    """Optuna callbacks and unknown pruners are left out with a note, and a known sampler becomes the searcher."""
    notes: list[str] = []
    job = from_file(program("op_callback.py"), "optuna", {}, notes.append)
    assert notes == [
        "op_callback.py, line 29: ThresholdPruner is ignored; set --scheduler instead.",
        "op_callback.py, line 29: The callbacks of optimize are ignored.",
    ]
    assert job.start_with == ({"lr": 0.01, "batch": 32},)
    assert job.searcher.kind == "random"


def test_a_loop_that_asks_for_trials_needs_the_name_of_its_objective(program: Callable[[str], str]) -> None:
    """An Optuna loop of ask and tell is refused with its line, unless the call names the objective."""
    path = program("op_ask.py")
    with pytest.raises(InvalidJob, match=r"op_ask.py, line 10: must be study.optimize.*found 'study.ask\(\)'"):
        from_file(path, "optuna", {})
    job = from_file(f"{path}:objective", "optuna", {})
    assert (job.objective.mode, job.space) == ("max", {"x": Uniform(-1, 1)})


def test_constraints_are_a_bound(program: Callable[[str], str], tmp_path: Path) -> None:
    """The constraints of a sampler are an objective with a bound, and the best trial keeps it."""
    job = from_file(program("op_constraints.py"), "optuna", {"name": "s"})
    assert [(one.metric, one.mode, one.at_most) for one in job.objectives] == [
        ("value", "min", None),
        ("excess", "min", 0),
    ]
    assert job.searcher.kind == "motpe"
    run(job.replaced({"resources.workers": 0}), storage=tmp_path, note=lambda _: None)
    results = load_results(tmp_path / "s")
    excess = (2 - results.epochs["config_x"]).clip(lower=0)
    assert results.epochs["excess"].to_numpy() == pytest.approx(excess.to_numpy())
    assert results.best is not None
    assert results.best.value == pytest.approx((results.epochs["config_x"][excess == 0] ** 2).min())


def test_constraints_that_an_objective_sets_are_a_bound(program: Callable[[str], str]) -> None:
    """Constraints that an objective sets become one metric: the sum of those above 0."""
    path = Path(program("op_constraints.py"))
    own = '    trial.set_constraint("low", 2 - x)\n    trial.set_constraint("other", 0.25)\n    return x**2'
    text = path.read_text().replace("constraints_func=constraints", "").replace("    return x**2", own)
    path.write_text(text)
    job = from_file(str(path), "optuna", {})
    assert [one.metric for one in job.objectives] == ["value", "excess"]
    assert job.function is not None
    steps: Any = job.function({"x": 1.0})
    assert next(steps) == {"value": 1.0, "left": -1.0, "excess": 1.25}


def test_constraints_of_an_objective_that_reports_are_noted(program: Callable[[str], str]) -> None:
    """Constraints of an objective that reports values are left out, and a note says so."""
    path = Path(program("op_constraints.py"))
    path.write_text(path.read_text().replace("    return x**2", "    trial.report(x**2, 1)\n    return x**2"))
    notes: list[str] = []
    job = from_file(str(path), "optuna", {}, notes.append)
    assert [one.metric for one in job.objectives] == ["value"]
    assert notes == [
        "op_constraints.py, line 17: The constraints are ignored, because the objective reports values before it has "
        "them."
    ]


def _changed(path: Path, before: str, after: str) -> str:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    return str(path)


def test_an_objective_sees_the_study_of_its_program(program: Callable[[str], str], tmp_path: Path) -> None:
    """The study of a trial has the name, the directions and the attributes of the program's, and may be stopped."""
    path = Path(program("op_quad.py"))
    path.write_text(
        "import optuna\n\n\n"
        "def objective(trial):\n"
        "    study = trial.study\n"
        "    assert study.direction == optuna.study.StudyDirection.MAXIMIZE\n"
        "    assert (study.study_name, study.user_attrs) == ('mine', {'data': 'small'})\n"
        "    trial.study.stop()\n"
        "    return trial.suggest_float('x', 0, 1)\n\n\n"
        "study = optuna.create_study(study_name='mine', direction='maximize')\n"
        "study.set_user_attr('data', 'small')\n"
        "study.optimize(objective, n_trials=2)\n"
    )
    notes: list[str] = []
    job = from_file(str(path), "optuna", {"name": "s"}, notes.append)
    assert notes == ["op_quad.py, line 14: study.stop() is ignored; the budget says when the study ends."]
    run(job.replaced({"resources.workers": 0}), storage=tmp_path, note=lambda _: None)
    assert load_results(tmp_path / "s").trials["state"].tolist() == ["completed"] * 2


def test_a_callback_that_counts_trials_is_a_budget(program: Callable[[str], str]) -> None:
    """A MaxTrialsCallback limits the trials of a study, and no note says that it is ignored."""
    notes: list[str] = []
    counted = "optimize(objective, callbacks=[optuna.study.MaxTrialsCallback(3)], "
    path = _changed(Path(program("op_quad.py")), "optimize(objective, ", counted)
    job = from_file(path, "optuna", {}, notes.append)
    assert (job.budget.trials, notes) == (3, [])


def test_the_pruner_within_a_patient_one_decides(program: Callable[[str], str]) -> None:
    """The pruner within a PatientPruner is the scheduler, and a note says that its patience is left out."""
    path = Path(program("op_prune.py"))
    pruner = re.search(r"optuna\.pruners\.\w+\([^)]*\)", path.read_text())
    assert pruner is not None
    notes: list[str] = []
    changed = f"optuna.pruners.PatientPruner({pruner[0]}, patience=1)"
    job = from_file(_changed(path, pruner[0], changed), "optuna", {}, notes.append)
    assert job.scheduler.kind == "median"
    assert [note.partition(": ")[2] for note in notes] == ["PatientPruner is ignored; MedianPruner decides alone."]


def test_a_trial_that_a_program_gives_up_is_no_reason_to_end(program: Callable[[str], str], tmp_path: Path) -> None:
    """A study continues however many of its first trials are pruned before a report, or raise an error it catches."""
    path = Path(program("op_quad.py"))
    text = (
        "import optuna\n\n\n"
        "def objective(trial):\n"
        "    x = trial.suggest_float('x', 0, 1)\n"
        "    if trial.number < 5:\n"
        "        raise ERROR('not this one')\n"
        "    return x\n\n\n"
        "optuna.create_study().optimize(objective, n_trials=7CATCH)\n"
    )
    for error, catch in (("optuna.TrialPruned", ""), ("ValueError", ", catch=(ValueError,)")):
        path.write_text(text.replace("ERROR", error).replace("CATCH", catch))
        job = from_file(str(path), "optuna", {"name": error[-5:].lower()})
        run(job.replaced({"resources.workers": 0}), storage=tmp_path, note=lambda _: None)
        states = load_results(tmp_path / job.name).trials["state"].tolist()
        assert sorted(states) == ["completed"] * 2 + ["failed"] * 5


@pytest.mark.parametrize("target", ["objective", "lambda trial: objective(trial)"])
def test_a_function_of_another_file_may_prune_any_number_of_trials(
    target: str, program: Callable[[str], str], tmp_path: Path
) -> None:
    """A study continues however many of its first trials a function of another file prunes by itself."""
    path = Path(program("op_quad.py"))
    (path.parent / "op_checks.py").write_text(
        "import optuna\n\ndef check(number):\n    if number < 5:\n        raise optuna.TrialPruned('diverges')\n"
    )
    path.write_text(
        "import optuna\nfrom op_checks import check\n\n\n"
        "def objective(trial):\n"
        "    x = trial.suggest_float('x', 0, 10)\n"
        "    for step in range(3):\n"
        "        trial.report(x - step, step)\n"
        "        check(trial.number)\n"
        "    return x\n\n\n"
        f"optuna.create_study().optimize({target}, n_trials=7)\n"
    )
    job = from_file(str(path), "optuna", {"name": "s"})
    run(job.replaced({"resources.workers": 0}), storage=tmp_path, note=lambda _: None)
    states = load_results(tmp_path / "s").trials["state"].tolist()
    assert states == ["failed"] * 5 + ["completed"] * 2


def test_an_enqueued_value_outside_of_its_range_is_noted(program: Callable[[str], str]) -> None:
    """An enqueued value that its suggestion does not allow is drawn instead, with a note."""
    notes: list[str] = []
    queued = "study.enqueue_trial({'x': 20, 'y': 2})\n    study.optimize(objective, "
    path = _changed(Path(program("op_quad.py")), "study.optimize(objective, ", queued)
    job = from_file(path, "optuna", {}, notes.append)
    assert job.start_with == ({"y": 2},)
    assert notes == ["op_quad.py, line 13: The enqueued x=20 are outside of the space, and drawn instead."]


def test_a_method_is_an_objective(program: Callable[[str], str]) -> None:
    """A method that reports nothing has one epoch, as a function."""
    path = Path(program("op_quad.py"))
    path.write_text(
        "import optuna\n\n\n"
        "class Tuner:\n"
        "    def objective(self, trial):\n"
        "        return trial.suggest_float('x', 0, 1)\n\n\n"
        "optuna.create_study().optimize(Tuner().objective, n_trials=2)\n"
    )
    assert from_file(str(path), "optuna", {}).budget.epochs == 1


def test_a_study_without_a_sampler_has_optunas_own(program: Callable[[str], str]) -> None:
    """A study that names no sampler draws as Optuna does without one."""
    assert from_file(program("op_quad.py"), "optuna", {}).searcher.kind == "tpe"
    assert from_file(program("op_multi.py"), "optuna", {}).searcher.kind in ("nsga2", "motpe")


def test_a_returned_value_that_no_report_has_is_noted(program: Callable[[str], str]) -> None:
    """An objective that returns another value than it reports has a note, since the best report counts."""
    notes: list[str] = []
    path = _changed(Path(program("op_prune.py")), "    return 1.0 - clf", "    return 2.0 - clf")
    from_file(f"{path}:objective", "optuna", {}, notes.append)
    assert [note.partition(": ")[2] for note in notes] == [
        "The value that line 20 returns is ignored; the best value that is reported counts."
    ]
