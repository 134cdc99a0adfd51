"""Tuners with their own run_trial."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import IntUniform, LogUniform, Uniform, load_results, run
from pipeline.adapters import from_file
from pipeline.adapters.keras_tuner.hyperparameters import HyperParameters
from pipeline.adapters.keras_tuner.run_trial import RunTrialHypermodel
from pipeline.training.function import FunctionLearner


def test_arguments_of_fit_are_hyperparameters(program: Callable[[str], str], tmp_path: Path) -> None:
    """Arguments of the search that a run_trial sets are in the space, and a trial has the epochs that it asks for."""
    job = from_file(program("kt_trial.py"), "keras-tuner", {"name": "s", "scheduler": "fifo", "searcher": "random"})
    assert job.space == {
        "batch_size": IntUniform(32, 128, step=32),
        "epochs": IntUniform(2, 4),
        "units": IntUniform(2, 8, step=2),
    }
    assert (job.budget.trials, job.budget.epochs) == (3, 100)
    run(job.replaced({"resources.workers": 0}), storage=tmp_path, note=lambda _: None)
    trials = load_results(tmp_path / "s").trials
    assert trials["state"].tolist() == ["completed"] * 3
    assert trials["epochs"].tolist() == trials["config_epochs"].tolist()


def test_a_run_trial_that_sets_no_epochs_has_those_of_the_search(program: Callable[[str], str]) -> None:
    """A run_trial that sets no epochs trains as many as the search says: one, as in KerasTuner, if it says nothing."""
    path = Path(program("kt_trial.py"))
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if '"epochs"' not in line) + "\nprint('epochs=7')\n")
    assert from_file(str(path), "keras-tuner", {}).budget.epochs == 1


def test_a_loop_reports_to_the_tuner(program: Callable[[str], str]) -> None:
    """A run_trial reports its epochs by on_epoch_end, and objective and trials are those of its oracle."""
    job = from_file(program("kt_oracle.py"), "keras-tuner", {})
    assert job.space == {
        "rows": IntUniform(16, 64, step=16),
        "units": IntUniform(2, 8, step=2),
        "rate": LogUniform(1e-3, 1e-1),
    }
    assert (job.objective.metric, job.objective.mode) == ("loss", "min")
    assert (job.budget.trials, job.budget.epochs) == (2, 2)
    assert job.function is not None
    learner = FunctionLearner(job.function, {"rows": 32, "units": 4, "rate": 0.05})
    losses = [learner.run_epoch().metrics["loss"] for _ in range(2)]
    assert losses[1] < losses[0]
    learner.close()


def test_a_returned_value_is_the_objectives(program: Callable[[str], str], tmp_path: Path) -> None:
    """The mean of the values that run_trial returns is the objective's value, in one epoch."""
    job = from_file(program("kt_value.py"), "keras-tuner", {"name": "s"})
    assert job.space == {"x": Uniform(-1, 1)}
    assert (job.budget.trials, job.budget.epochs) == (5, 1)
    run(job.replaced({"resources.workers": 0}), storage=tmp_path, note=lambda _: None)
    epochs = load_results(tmp_path / "s").epochs
    assert epochs["val_loss"].to_numpy() == pytest.approx((epochs["config_x"] ** 2 + 1).to_numpy())


def test_metrics_for_the_oracle_are_reported(program: Callable[[str], str]) -> None:
    """The metrics that a run_trial gives its oracle are reported."""
    module = Path(program("kt_value.py"))
    module.write_text(module.read_text().replace("MyTuner(max_trials=5", "Asked(max_trials=2, objective='score'"))
    job = from_file(str(module), "keras-tuner", {})
    assert job.function is not None
    steps: Any = job.function({"x": 2})
    assert next(steps) == {"score": 2.0}


def test_a_run_trial_gets_the_arguments_that_it_takes() -> None:
    """A run_trial without `**kwargs` gets the arguments of the search that it names, and no others."""
    seen: list[Any] = []

    class Tuner:
        def run_trial(self, trial: Any, data: int) -> None:
            seen.append((trial.hyperparameters.Int("a", 1, 3), trial.trial_id, data))

    RunTrialHypermodel(Tuner()).fit(HyperParameters({"a": 2}), None, data=5, epochs=7, callbacks=[])
    assert seen == [(2, "0000", 5)]
