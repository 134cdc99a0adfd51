"""Objectives of Optuna as they are."""

import ast
from collections.abc import Callable
from typing import Any

import optuna
import pytest

from pipeline import from_optuna, load_results, run
from pipeline.adapters import from_file
from pipeline.adapters.optuna.objective import ObjectiveAdapter
from pipeline.errors import InvalidJob
from pipeline.training.function import FunctionLearner
from tests.unit.adapters.conftest import PROGRAMS


@pytest.mark.parametrize("name", ["op_quad.py", "op_layers.py"])
def test_a_trial_has_the_value_that_the_objective_has(name: str, program: Callable[[str], str], tmp_path: Any) -> None:
    """The best trial's value equals the objective's value with Optuna's FixedTrial for the same parameters."""
    job = from_file(program(name) + ":objective", "optuna", {"name": "s"})
    run(job.replaced({"budget.trials": 3, "resources.workers": 0}), storage=tmp_path / "st", note=lambda _: None)
    results = load_results(tmp_path / "st/s")
    assert set(results.trials["state"]) == {"completed"}
    namespace: dict[str, Any] = {"__name__": "own"}
    tree = ast.parse((PROGRAMS / name).read_text())
    tree.body = [node for node in tree.body if not isinstance(node, ast.If | ast.Expr)]
    exec(compile(tree, name, "exec"), namespace)
    best = results.best
    assert best is not None
    params = {key: int(value) if str(value).isdigit() else value for key, value in best.config.items()}
    assert namespace["objective"](optuna.trial.FixedTrial(params)) == pytest.approx(best.value)


def test_each_report_is_an_epoch_and_a_stopped_trial_is_pruned() -> None:
    """Each report of an Optuna objective is an epoch, whose metrics are the value and the numeric user attributes."""
    reported: list[str] = []

    def objective(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        for step in range(5):
            trial.set_user_attr("step", step)
            trial.set_user_attr("word", "text")
            trial.report(x * step, step)
            if trial.should_prune():
                reported.append("pruned")
                raise optuna.TrialPruned
        return x

    learner = FunctionLearner(lambda config: ObjectiveAdapter(None, "", objective).steps(config), {"x": 0.5})
    assert [dict(learner.run_epoch().metrics) for _ in range(2)] == [
        {"value": 0.0, "step": 0.0},
        {"value": 0.5, "step": 1.0},
    ]
    learner.close()
    assert reported == [] or reported == ["pruned"]


def test_an_objective_runs_to_its_end_after_its_last_report() -> None:
    """What an objective does after its loop of known length runs after the last report."""
    ended: list[float] = []

    def objective(trial: Any) -> float:
        x = trial.suggest_float("x", 0, 1)
        for step in range(3):
            trial.report(x * step, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        ended.append(x)
        return x

    learner = FunctionLearner(lambda config: ObjectiveAdapter(None, "", objective).steps(config), {"x": 0.5})
    for _ in range(3):
        assert ended == []
        learner.run_epoch()
    learner.finish()
    assert ended == [0.5]


def test_an_objective_gets_its_further_arguments_from_the_search(program: Callable[[str], str], tmp_path: Any) -> None:
    """An objective with further parameters is tuned as the program calls it, with the settings of its search."""
    job = from_file(program("op_data.py") + ":objective", "optuna", {"name": "s"})
    assert job.budget.trials == 4
    assert job.objective.mode == "min"
    run(job.replaced({"resources.workers": 0}), storage=tmp_path / "st", note=lambda _: None)
    assert set(load_results(tmp_path / "st/s").trials["state"]) == {"completed"}


def test_an_objective_without_its_further_arguments_is_refused() -> None:
    """An objective with further parameters that have no values is refused with their names."""

    def objective(trial: Any, x: Any, y: Any, *, seed: int = 0) -> float:
        return float(trial.suggest_float("a", 0, 1) * x * y * seed)

    with pytest.raises(InvalidJob, match=r"parameters: must be a function objective\(trial\).* found 'also x, y'"):
        from_optuna(objective)


def test_a_wrong_number_of_values_is_an_error() -> None:
    """An objective that returns more or fewer values than the study has objectives fails, as in Optuna."""

    def objective(trial: Any) -> Any:
        return (1.0, 2.0)[: 1 + (trial.suggest_int("n", 0, 1) > 0)]

    steps = ObjectiveAdapter(None, "", objective).steps({"n": 1})
    with pytest.raises(ValueError, match="the objective returned 2 values; the study has 1"):
        next(steps)
    assert next(ObjectiveAdapter(None, "", objective).steps({"n": 0})) == {"value": 1.0}


@pytest.mark.parametrize("value", [None, float("nan"), "text"])
def test_a_trial_that_returns_no_value_fails_after_its_reports(value: Any) -> None:
    """A trial fails if its objective returns None, NaN or text, even if it has reported values before."""

    def objective(trial: Any) -> Any:
        trial.report(trial.suggest_float("x", 0, 1), 0)
        return value

    learner = FunctionLearner(lambda config: ObjectiveAdapter(None, "", objective).steps(config), {"x": 0.5})
    assert learner.run_epoch().metrics == {"value": 0.5}
    with pytest.raises(ValueError, match="after its reports: such a trial fails, as in Optuna"):
        learner.run_epoch()
    learner.close()


def test_values_that_penalise_configs_do_not_end_the_study(tmp_path: Any) -> None:
    """Trials whose objective returns infinity fail, and the study continues however many of its first trials do."""
    path = tmp_path / "op_penalty.py"
    path.write_text(
        "def objective(trial):\n"
        "    x = trial.suggest_float('x', 0, 1)\n"
        "    return float('inf') if trial.number < 4 else x\n"
    )
    job = from_file(f"{path}:objective", "optuna", {"name": "s", "budget": {"trials": 6}})
    run(job.replaced({"resources.workers": 0}), storage=tmp_path / "st", note=lambda _: None)
    assert (
        load_results(tmp_path / "st/s").trials.sort_values("trial_id")["state"].tolist()
        == ["failed"] * 4 + ["completed"] * 2
    )
