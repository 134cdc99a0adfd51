"""What a sampler says about a job."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from pipeline import load_results, run
from pipeline.adapters import from_file
from pipeline.adapters.optuna.samplers import combinations_of, has_searcher, sampled_space, searcher_of
from pipeline.space import Choice, Grid, IntUniform, Switch, Uniform

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def _grid(values: dict[str, list[Any]]) -> Any:
    return optuna.samplers.GridSampler(values)


def _fixed(values: dict[str, Any], sampler: Any) -> Any:
    return optuna.samplers.PartialFixedSampler(values, sampler)


def test_samplers_have_a_searcher() -> None:
    """A known sampler has a searcher, one that fixes values that of its other sampler, and an unknown one none."""
    random = optuna.samplers.RandomSampler()
    assert (searcher_of(random, 1), has_searcher(random)) == ("random", True)
    assert searcher_of(optuna.samplers.TPESampler(), 2) == "motpe"
    assert (searcher_of(_fixed({"a": 1}, optuna.samplers.QMCSampler()), 1)) == "sobol"
    assert searcher_of(optuna.samplers.BruteForceSampler(), 1) == "grid"
    assert (searcher_of(None, 1), has_searcher(None)) == (None, True)
    assert (searcher_of(object(), 1), has_searcher(object())) == (None, False)


def test_a_grid_sampler_lists_values() -> None:
    """A GridSampler's values replace the ranges, within branches, too, and their combinations are its trials."""
    space = {"x": Uniform(0, 9), "Kind": Choice(("a", "b", "c")), "n": IntUniform(1, 5)}
    sampler = _grid({"x": [2.5, 1], "n": [3]})
    assert sampled_space(space, sampler) == {"x": Grid((2.5, 1)), "Kind": Choice(("a", "b", "c")), "n": 3}
    assert combinations_of(sampled_space(space, sampler), sampler) == 6
    switch = {"kind": Switch({"a": {"x": Uniform(0, 9)}, "b": {"y": Uniform(0, 9)}, "c": {}})}
    both = _grid({"kind": ["a", "c"], "x": [1, 2]})
    assert sampled_space(switch, both) == {"kind": Switch({"a": {"x": Grid((1, 2))}, "c": {}})}
    assert combinations_of(sampled_space(switch, both), both) == 3


def test_a_partial_sampler_fixes_values() -> None:
    """A PartialFixedSampler's values are fixed, and a branch that it fixes is the only one."""
    sampler = _fixed({"kind": "a", "n": 2}, optuna.samplers.RandomSampler())
    space = {"kind": Switch({"a": {"x": Uniform(0, 1)}, "b": {}}), "n": IntUniform(1, 5), "z": Uniform(0, 1)}
    assert sampled_space(space, sampler) == {"kind": "a", "x": Uniform(0, 1), "n": 2, "z": Uniform(0, 1)}
    assert combinations_of(space, sampler) is None


@pytest.mark.parametrize("trials", ["", ", n_trials=5"])
def test_a_grid_ends_its_study(trials: str, program: Callable[[str], str], tmp_path: Path) -> None:
    """A study with a GridSampler tries each combination once, or as many as it has trials."""
    path = Path(program("op_quad.py")).with_name("op_grid.py")
    path.write_text(
        "import optuna\n\n\n"
        "def objective(trial):\n"
        "    x = trial.suggest_float('x', -100, 100)\n"
        "    kind = trial.suggest_categorical('kind', ['a', (1, 2), None])\n"
        "    assert kind in ['a', (1, 2), None]\n"
        "    return x * x + (kind is None)\n\n\n"
        "grid = {'x': [-50, 0, 50], 'kind': ['a', (1, 2), None]}\n".replace("(1, 2), None]}", "None]}")
        + "study = optuna.create_study(sampler=optuna.samplers.GridSampler(grid))\n"
        f"study.optimize(objective{trials})\n"
    )
    notes: list[str] = []
    job = from_file(str(path), "optuna", {"name": "s"}, notes.append)
    run(job.replaced({"resources.workers": 0}), storage=tmp_path, note=lambda _: None)
    trials_run = load_results(tmp_path / "s").trials
    assert len(trials_run) == (5 if trials else 6)
    assert not trials_run[["config_x", "config_kind"]].astype(str).duplicated().any()
    assert notes == []
