"""The suggestions of an objective."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline import IntUniform, LogUniform, QUniform, Switch, Uniform
from pipeline.adapters import from_file
from pipeline.space import Choice

_SPACES: dict[str, dict[str, Any]] = {
    "op_quad.py:objective": {"x": Uniform(-10, 10), "y": IntUniform(0, 10, step=2)},
    "op_prune.py:objective": {"alpha": LogUniform(1e-5, 1e-1)},
    "op_sklearn.py:objective": {
        "classifier": Switch(
            {
                "SVC": {"svc_c": LogUniform(1e-10, 1e10)},
                "RandomForest": {"rf_max_depth": IntUniform(2, 32, log=True)},
            }
        )
    },
    "op_keras.py:objective": {
        "units": IntUniform(16, 64, log=True),
        "activation": Choice(("relu", "tanh")),
        "dropout": QUniform(0, 0.5, 0.1),
        "learning_rate": LogUniform(1e-4, 1e-1),
    },
    "op_multi.py": {"x": Uniform(0, 5), "y": Uniform(0, 3)},
}


@pytest.mark.parametrize("place", _SPACES)
def test_the_space_is_found_by_running(place: str, program: Callable[[str], str]) -> None:
    """Running an Optuna objective to its first report finds its space with logarithms, steps and branches."""
    name, _, objective = place.partition(":")
    job = from_file(f"{program(name)}:{objective}".rstrip(":"), "optuna", {})
    assert job.space == _SPACES[place]
    assert job.resumable


def test_a_loop_over_a_suggestion_becomes_branches(program: Callable[[str], str]) -> None:
    """An Optuna suggestion in a loop over layers becomes a parameter of the branches with enough layers."""
    job = from_file(program("op_layers.py") + ":objective", "optuna", {})
    layer = {
        number: {f"n_units_l{number}": IntUniform(4, 128), f"dropout_l{number}": Uniform(0.2, 0.5)} for number in (1, 2)
    }
    assert job.space["n_layers"] == Switch({"1": {}, "2": layer[1], "3": layer[1] | layer[2]})
    assert list(job.space) == ["n_layers", "n_units_l0", "dropout_l0", "lr"]


def test_a_suggestion_in_another_module_is_found(program: Callable[[str], str]) -> None:
    """A suggestion that an Optuna objective leaves to a function of another module is a parameter of the space."""
    path = Path(program("op_quad.py"))
    suggestion = 'trial.suggest_int("y", 0, 10, step=2)'
    text = path.read_text()
    assert suggestion in text
    path.with_name("op_helper.py").write_text(f"def height(trial):\n    return {suggestion}\n")
    path.write_text("from op_helper import height\n" + text.replace(suggestion, "height(trial)"))
    assert from_file(f"{path}:objective", "optuna", {}).space == _SPACES["op_quad.py:objective"]
