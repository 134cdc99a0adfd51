"""The calls of Optuna that make a study and start its tuning."""

from collections.abc import Callable
from pathlib import Path

import optuna

from pipeline.adapters import from_file


def test_a_study_is_created_once_and_loaded_by_its_name(program: Callable[[str], str]) -> None:
    """A study that a program creates and then loads by its name is the one that it created."""
    path = Path(program("op_quad.py"))
    first, _, _ = path.read_text().partition("if __name__")
    path.write_text(
        first + "\noptuna.create_study(study_name='one', storage='sqlite:///no/such.db', direction='maximize')\n"
        "study = optuna.load_study(study_name='one', storage='sqlite:///no/such.db',"
        " sampler=optuna.samplers.RandomSampler())\nstudy.optimize(objective, n_trials=3)\n"
    )
    job = from_file(str(path), "optuna", {})
    assert (job.objective.mode, job.budget.trials, job.searcher.kind) == ("max", 3, "random")


def test_a_stored_study_says_its_directions_and_stays_as_it_is(program: Callable[[str], str], tmp_path: Path) -> None:
    """A study that a program loads says its directions, and one that it would delete stays in its storage."""
    storage = f"sqlite:///{tmp_path}/own.db"
    optuna.create_study(study_name="own", storage=storage, direction="maximize")
    path = Path(program("op_quad.py"))
    first, _, _ = path.read_text().partition("if __name__")
    path.write_text(
        f"{first}\nstudy = optuna.load_study(study_name='own', storage='{storage}')\n"
        f"optuna.delete_study(study_name='own', storage='{storage}')\nstudy.optimize(objective, n_trials=3)\n"
    )
    assert from_file(str(path), "optuna", {}).objective.mode == "max"
    kept = optuna.load_study(study_name="own", storage=storage)
    assert len(kept.trials) == 0
