"""Optuna's studies."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import Uniform, load_results, run
from pipeline.adapters import from_file
from pipeline.errors import InvalidJob


def test_budget_direction_and_pruner_are_those_of_the_study(program: Callable[[str], str]) -> None:
    """A job from an Optuna program has the budget, the directions and the pruner of the program's study."""
    job = from_file(program("op_prune.py") + ":objective", "optuna", {})
    assert (job.budget.trials, job.budget.epochs, job.budget.seconds) == (6, 20, 600.0)
    assert (job.scheduler.kind, job.scheduler.grace_period) == ("median", 3)
    assert from_file(program("op_sklearn.py") + ":objective", "optuna", {}).objective.mode == "max"
    two = from_file(program("op_multi.py"), "optuna", {})
    assert [(one.metric, one.mode) for one in two.objectives] == [("value_0", "min"), ("value_1", "min")]


def test_reports_of_a_callback_are_epochs(program: Callable[[str], str], tmp_path: Path) -> None:
    """A trial of an Optuna objective has one epoch for each report of its callback."""
    job = from_file(program("op_callback.py"), "optuna", {"name": "s", "scheduler": "fifo"})
    run(job.replaced({"budget.trials": 1, "resources.workers": 0}), storage=tmp_path, note=lambda _: None)
    results = load_results(tmp_path / "s")
    assert results.trials[["state", "epochs"]].to_numpy().tolist() == [["completed", 3]]
    assert results.trials[["config_lr", "config_batch"]].to_numpy().tolist() == [[0.01, 32]]


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
