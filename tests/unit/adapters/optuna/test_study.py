"""Optuna's studies."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import Uniform, load_results, run
from pipeline.adapters import from_file
from pipeline.errors import InvalidJob


def test_budget_direction_and_pruner_are_those_of_the_study(program: Callable[[str], str]) -> None:
    """Budget, direction and pruner are those of the Optuna study, and Optuna stores nothing."""
    job = from_file(program("op_prune.py") + ":objective", "optuna", {})
    assert (job.budget.trials, job.budget.epochs, job.budget.seconds) == (6, 20, 600.0)
    assert (job.scheduler.kind, job.scheduler.grace_period) == ("median", 3)
    assert from_file(program("op_sklearn.py") + ":objective", "optuna", {}).objective.mode == "max"
    two = from_file(program("op_multi.py"), "optuna", {})
    assert [(one.metric, one.mode) for one in two.objectives] == [("value_0", "min"), ("value_1", "min")]


def test_reports_of_a_callback_are_epochs(program: Callable[[str], str], tmp_path: Path) -> None:
    """An objective whose callback reports has as many epochs as it reports, although its own text does not say so."""
    job = from_file(program("op_callback.py"), "optuna", {"name": "s", "scheduler": "fifo"})
    run(job.replaced({"budget.trials": 1, "resources.workers": 0}), storage=tmp_path, note=lambda _: None)
    results = load_results(tmp_path / "s")
    assert results.trials[["state", "epochs"]].to_numpy().tolist() == [["completed", 3]]
    assert results.trials[["config_lr", "config_batch"]].to_numpy().tolist() == [[0.01, 32]]


def test_arguments_that_are_left_out_are_noted_with_their_line(program: Callable[[str], str]) -> None:
    """Callbacks and an unknown pruner are noted with their line; a sampler that is known becomes the searcher."""
    notes: list[str] = []
    job = from_file(program("op_callback.py"), "optuna", {}, notes.append)
    assert notes == [
        "op_callback.py, line 29: ThresholdPruner is left out; --scheduler chooses a scheduler.",
        "op_callback.py, line 29: The callbacks of optimize are left out.",
    ]
    assert job.start_with == ({"lr": 0.01, "batch": 32},)
    assert job.searcher.kind == "random"


def test_a_loop_that_asks_for_trials_needs_the_name_of_its_objective(program: Callable[[str], str]) -> None:
    """A loop of ask and tell is refused with its line, and says the direction of an objective that is named."""
    path = program("op_ask.py")
    with pytest.raises(InvalidJob, match=r"op_ask.py, line 10: must be study.optimize.*found 'study.ask\(\)'"):
        from_file(path, "optuna", {})
    job = from_file(f"{path}:objective", "optuna", {})
    assert (job.objective.mode, job.space) == ("max", {"x": Uniform(-1, 1)})
